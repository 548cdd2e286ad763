//! Waiting for descriptors (`epoll`) with deadlines of nanosecond resolution.
#![expect(unsafe_code, reason = "epoll_pwait2 has no safe interface")]

use std::{
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    ptr,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use rustix::event::epoll;

/// A set of descriptors to wait for, level-triggered.
#[derive(Debug)]
pub struct Poller {
    epoll: OwnedFd,
    /// False once the kernel said that it has no `epoll_pwait2` (before Linux 5.11).
    fine_timeouts: AtomicBool,
}

/// What to wait for on a descriptor. Errors and hang-ups are always reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is nothing else to wait for")]
pub enum Interest {
    /// Data to read.
    Readable,
    /// Data to read, or room to write.
    ReadableOrWritable,
    /// Room to write.
    Writable,
}

/// A descriptor that is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// The token it was added with.
    pub token: u64,
    /// A read will not block: data, end of stream or an error.
    pub readable: bool,
    /// A write will not block.
    pub writable: bool,
}

/// Room for the descriptors that one [`Poller::wait`] reports.
pub struct Events {
    ready: Vec<libc::epoll_event>,
    capacity: usize,
}

impl Poller {
    /// An empty set.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            fine_timeouts: AtomicBool::new(true),
        })
    }

    /// Adds a descriptor, to be reported as `token`. It leaves the set when its last copy is closed.
    pub fn add(&self, fd: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        let data = epoll::EventData::new_u64(token);
        Ok(epoll::add(&self.epoll, fd, data, interest.flags())?)
    }

    /// Changes what is waited for on a descriptor.
    pub fn modify(&self, fd: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        let data = epoll::EventData::new_u64(token);
        Ok(epoll::modify(&self.epoll, fd, data, interest.flags())?)
    }

    /// Takes a descriptor out of the set.
    pub fn remove(&self, fd: impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, fd)?)
    }

    /// Waits until a descriptor is ready or `timeout` has passed (`None`: for ever), and returns how many are ready.
    /// A signal ends the wait early with nothing ready.
    pub fn wait(&self, timeout: Option<Duration>, events: &mut Events) -> io::Result<usize> {
        events.ready.clear();
        let result = if self.fine_timeouts.load(Ordering::Relaxed) {
            match self.wait_fine(timeout, events) {
                // A sandbox that does not know the call answers EPERM.
                Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
                    self.fine_timeouts.store(false, Ordering::Relaxed);
                    self.wait_coarse(timeout, events)
                }
                result => result,
            }
        } else {
            self.wait_coarse(timeout, events)
        };
        match result {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
            Err(error) => Err(error),
            Ok(()) => Ok(events.ready.len()),
        }
    }

    fn wait_fine(&self, timeout: Option<Duration>, events: &mut Events) -> io::Result<()> {
        let timeout = timeout.map(|timeout| KernelTimespec {
            seconds: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            nanoseconds: i64::from(timeout.subsec_nanos()),
        });
        let timeout_ptr = timeout.as_ref().map_or(ptr::null(), ptr::from_ref);
        // SAFETY: the buffer has room for `capacity` events, of which the kernel fills at most that many; the timeout
        // is null or lives through the call and has the kernel's layout; no signal mask is given.
        let count = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                self.epoll.as_raw_fd(),
                events.ready.as_mut_ptr(),
                events.max_events(),
                timeout_ptr,
                ptr::null::<libc::sigset_t>(),
                0_usize,
            )
        };
        events.accept(count)
    }

    fn wait_coarse(&self, timeout: Option<Duration>, events: &mut Events) -> io::Result<()> {
        // Rounded up: waking before the deadline would spin.
        let milliseconds = timeout.map_or(-1, |timeout| {
            i32::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX)
        });
        // SAFETY: the buffer has room for `capacity` events, of which the kernel fills at most that many.
        let count = unsafe {
            libc::epoll_wait(
                self.epoll.as_raw_fd(),
                events.ready.as_mut_ptr(),
                events.max_events(),
                milliseconds,
            )
        };
        events.accept(count.into())
    }

    #[cfg(test)]
    fn coarse() -> io::Result<Self> {
        let poller = Self::new()?;
        poller.fine_timeouts.store(false, Ordering::Relaxed);
        Ok(poller)
    }
}

impl Interest {
    fn flags(self) -> epoll::EventFlags {
        match self {
            Self::Readable => epoll::EventFlags::IN,
            Self::ReadableOrWritable => epoll::EventFlags::IN | epoll::EventFlags::OUT,
            Self::Writable => epoll::EventFlags::OUT,
        }
    }
}

impl Events {
    /// Room for `capacity` ready descriptors; more are reported by the next wait.
    pub fn with_capacity(capacity: usize) -> Self {
        let capacity = capacity.clamp(1, 4096);
        Self {
            ready: Vec::with_capacity(capacity),
            capacity,
        }
    }

    /// What the last wait reported.
    pub fn iter(&self) -> impl Iterator<Item = Event> + '_ {
        const READ: u32 = (libc::EPOLLIN | libc::EPOLLHUP | libc::EPOLLERR) as u32;
        const WRITE: u32 = (libc::EPOLLOUT | libc::EPOLLHUP | libc::EPOLLERR) as u32;
        self.ready.iter().map(|event| Event {
            token: event.u64,
            readable: event.events & READ != 0,
            writable: event.events & WRITE != 0,
        })
    }

    fn max_events(&self) -> libc::c_int {
        libc::c_int::try_from(self.capacity).unwrap_or(libc::c_int::MAX)
    }

    fn accept(&mut self, count: libc::c_long) -> io::Result<()> {
        let Ok(count) = usize::try_from(count) else {
            return Err(io::Error::last_os_error());
        };
        debug_assert!(count <= self.capacity, "the kernel keeps to the maximum");
        // SAFETY: the kernel initialised the first `count` entries, and `capacity` were reserved at construction.
        unsafe { self.ready.set_len(count.min(self.capacity)) };
        Ok(())
    }
}

/// `struct __kernel_timespec`: 64 bits each on every architecture.
#[repr(C)]
struct KernelTimespec {
    seconds: i64,
    nanoseconds: i64,
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        os::unix::net::UnixStream,
        time::Instant,
    };

    use super::*;

    fn both() -> [Poller; 2] {
        [
            Poller::new().expect("epoll"),
            Poller::coarse().expect("epoll"),
        ]
    }

    #[test]
    fn reports_what_is_ready() {
        for poller in both() {
            let mut events = Events::with_capacity(8);
            let (mut left, right) = UnixStream::pair().expect("a socket pair");
            poller.add(&right, 7, Interest::Readable).expect("new");
            assert_eq!(poller.wait(Some(Duration::ZERO), &mut events).ok(), Some(0));

            left.write_all(b"x").expect("open");
            assert_eq!(poller.wait(None, &mut events).ok(), Some(1));
            let ready: Vec<Event> = events.iter().collect();
            let (token, readable, writable) = (7, true, false);
            assert_eq!(
                ready,
                [Event {
                    token,
                    readable,
                    writable
                }]
            );

            (&right).read_exact(&mut [0]).expect("one byte");
            poller
                .modify(&right, 8, Interest::ReadableOrWritable)
                .expect("known");
            assert_eq!(poller.wait(None, &mut events).ok(), Some(1));
            let ready = events.iter().next().expect("one");
            assert_eq!(
                (ready.token, ready.readable, ready.writable),
                (8, false, true)
            );

            poller.remove(&right).expect("known");
            drop(left);
            assert_eq!(poller.wait(Some(Duration::ZERO), &mut events).ok(), Some(0));
        }
    }

    #[test]
    fn a_hang_up_is_readable() {
        let poller = Poller::new().expect("epoll");
        let mut events = Events::with_capacity(8);
        let (left, right) = UnixStream::pair().expect("a socket pair");
        poller.add(&right, 1, Interest::Readable).expect("new");
        drop(left);
        assert_eq!(poller.wait(None, &mut events).ok(), Some(1));
        assert!(events.iter().all(|event| event.readable));
    }

    #[test]
    fn never_wakes_before_the_deadline() {
        for poller in both() {
            let mut events = Events::with_capacity(1);
            let timeout = Duration::from_micros(300);
            let start = Instant::now();
            assert_eq!(poller.wait(Some(timeout), &mut events).ok(), Some(0));
            assert!(start.elapsed() >= timeout);
        }
    }
}
