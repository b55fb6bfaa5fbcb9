//! Standard output carries one thing: ours.

use std::fs::File;
use std::io;

/// Takes standard output for the program alone: descriptor 1 is duplicated, close-on-exec, and
/// then points to standard error, so that nothing a library prints ends up among the records.
///
/// # Errors
/// When the system has no more descriptors.
pub fn claim_stdout() -> io::Result<File> {
    let ours = rustix::io::fcntl_dupfd_cloexec(io::stdout(), 3)?;
    rustix::stdio::dup2_stdout(io::stderr())?;
    Ok(File::from(ours))
}

/// Whether `file` is a pipe: somebody waits for what we write there.
pub fn is_pipe(file: &File) -> bool {
    use std::os::unix::fs::FileTypeExt;
    file.metadata().is_ok_and(|about| about.file_type().is_fifo())
}
