//! Asking the processor for memory before it is needed.
//!
//! What belongs to one of hundreds of receivers has left the fast caches since its last turn. Come upon piece by piece,
//! each piece would be waited for, and one receiver's pieces take as long as encrypting a packet or two. Asked for
//! together, some turns ahead, they are there when they are needed, and nothing waits for them.
//!
//! On other processors than x86-64 nothing happens.
#![forbid(unsafe_code)]

/// Bytes that a processor moves between its caches at once.
const LINE: usize = 64;

/// Asks for the line of the cache in which `value` begins. A large value needs this for several of its fields.
#[inline]
pub fn prefetch<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    safe_arch::prefetch_t0(value);
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}

/// Asks for every line of a table.
#[inline]
pub fn prefetch_all<T>(values: &[T]) {
    let a_line = const {
        if size_of::<T>() == 0 || size_of::<T>() > LINE {
            1
        } else {
            LINE / size_of::<T>()
        }
    };
    values.iter().step_by(a_line).for_each(prefetch);
    // A table that does not begin with a line ends in one more.
    if let Some(last) = values.last() {
        prefetch(last);
    }
}
