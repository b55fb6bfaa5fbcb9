//! What this process has used, time on processors and memory, and giving memory back.

use std::path::Path;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Time on processors of all threads, since the start.
pub fn process_cpu() -> Duration {
    clock(ClockId::ProcessCPUTime)
}

/// Time on processors of the calling thread, since its start.
pub fn thread_cpu() -> Duration {
    clock(ClockId::ThreadCPUTime)
}

fn clock(id: ClockId) -> Duration {
    let time = clock_gettime(id);
    let part = |value: i64| u64::try_from(value).unwrap_or(0);
    Duration::from_secs(part(time.tv_sec)) + Duration::from_nanos(part(time.tv_nsec))
}

/// Lets other programs come first, by 0 to 19 more than now: the calling thread and those that it
/// starts from now on.
///
/// # Errors
/// When the system refuses.
pub fn be_nice(by: u8) -> std::io::Result<()> {
    Ok(rustix::process::nice(by.into()).map(drop)?)
}

/// The most memory that was resident at once, in bytes; `None` where the system does not say.
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Bytes that are free on the disk that holds `path`; `None` where the system does not say.
pub fn free_space(path: &Path) -> Option<u64> {
    let about = rustix::fs::statvfs(path).ok()?;
    about.f_bavail.checked_mul(about.f_frsize)
}

/// Bytes that the disk that holds `path` has in all; `None` where the system does not say.
pub fn disk_size(path: &Path) -> Option<u64> {
    let about = rustix::fs::statvfs(path).ok()?;
    about.f_blocks.checked_mul(about.f_frsize)
}

/// Gives memory back to the system that was freed but is still held for later: loading a model
/// leaves about as much of it as the model needs to run.
pub fn give_back_memory() {
    // SAFETY: the function only looks at memory that nobody owns, under the allocator's own locks.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[expect(unsafe_code, reason = "glibc's allocator is asked through C")]
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_takes_time_and_memory() {
        let (process, thread) = (process_cpu(), thread_cpu());
        let block = std::hint::black_box(vec![1u8; 64 << 20]);
        let sum: u64 = block.iter().map(|b| u64::from(*b)).sum();
        assert_eq!(sum, 64 << 20);
        assert!(process_cpu() > process && thread_cpu() > thread);
        assert!(peak_memory().unwrap() >= 64 << 20);
    }
}
