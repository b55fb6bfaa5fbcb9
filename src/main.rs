//! The program: standard output claimed, the command line run, the right ending.

use std::process::ExitCode;

use vision_pipe::exit::Status;
use vision_pipe::{app, stdio};

fn main() -> ExitCode {
    #[cfg(feature = "onnxruntime")]
    // SAFETY: nothing has started a thread yet.
    #[expect(unsafe_code, reason = "the environment is set before anybody can read it")]
    unsafe {
        vision_pipe::infer::engine_onnxruntime::keep_private();
    }
    let status = match stdio::claim_stdout() {
        Ok(stdout) => app::main(std::env::args_os(), stdout),
        Err(_) => Status::Code(1),
    };
    status.leave()
}
