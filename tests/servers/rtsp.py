#!/usr/bin/python3
"""An RTSP server that serves a video in a loop, for tests by hand and by program.

    rtsp.py PORT VIDEO.mp4 [--user NAME --password WORD] [--path /cam] [--fps 10]

Prints "ready" once it listens. Debian: apt-get install gir1.2-gst-rtsp-server-1.0 python3-gi
gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly ffmpeg
"""
import argparse
import subprocess
import tempfile

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402


class Looped(GstRtspServer.RTSPMediaFactory):
    """All clients watch one pipeline, whose pictures and times go on without end."""

    def __init__(self, folder, fps):
        super().__init__()
        self.set_launch(
            f"( multifilesrc location={folder}/%05d.jpg loop=true caps=image/jpeg,framerate={fps}/1"
            " ! jpegdec ! videoconvert ! video/x-raw,format=I420 ! identity sync=true"
            # A key frame every second.
            f" ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max={fps} threads=1"
            " ! rtph264pay name=pay0 pt=96 config-interval=1 )"
        )
        self.set_shared(True)


def guard(server, factory, user, password):
    """Lets only `user` in."""
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    auth.add_digest(user, password, token)
    server.set_auth(auth)
    rights = Gst.Structure.new_empty("user")
    rights.set_value("media.factory.access", True)
    rights.set_value("media.factory.construct", True)
    factory.add_role_from_structure(rights)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("port")
    arguments.add_argument("video")
    arguments.add_argument("--user")
    arguments.add_argument("--password", default="")
    arguments.add_argument("--path", default="/cam")
    arguments.add_argument("--fps", type=int, default=10)
    arguments = arguments.parse_args()
    # Pictures are what GStreamer repeats without a break in their times.
    folder = tempfile.mkdtemp(prefix="rtsp-")
    pictures = ["ffmpeg", "-v", "error", "-i", arguments.video, "-start_number", "0", "-q:v", "3"]
    subprocess.run([*pictures, f"{folder}/%05d.jpg"], check=True)
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(arguments.port)
    factory = Looped(folder, arguments.fps)
    if arguments.user:
        guard(server, factory, arguments.user, arguments.password)
    server.get_mount_points().add_factory(arguments.path, factory)
    server.attach(None)
    print("ready", flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
