//! Socket addresses in the kernel's form, in 28 bytes instead of the 128 of `sockaddr_storage`.
#![expect(
    unsafe_code,
    reason = "the kernel's address is a union told apart by its first field"
)]

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// An IPv4 or IPv6 address as system calls read and write it.
///
/// Every byte is initialised at all times (both constructors fill the larger variant first), so that reading either
/// variant is defined, whatever the kernel wrote.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) union RawAddress {
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

impl RawAddress {
    /// No address: family 0.
    pub(crate) const EMPTY: Self = Self {
        v6: libc::sockaddr_in6 {
            sin6_family: 0,
            sin6_port: 0,
            sin6_flowinfo: 0,
            sin6_addr: libc::in6_addr { s6_addr: [0; 16] },
            sin6_scope_id: 0,
        },
    };

    /// Size of the buffer that is offered to the kernel.
    pub(crate) const CAPACITY: libc::socklen_t = size_of::<Self>() as libc::socklen_t;

    /// Writes `address` and returns its length for the kernel.
    pub(crate) fn set(&mut self, address: &SocketAddr) -> libc::socklen_t {
        *self = Self::EMPTY;
        match address {
            SocketAddr::V4(address) => {
                self.v4 = libc::sockaddr_in {
                    sin_family: libc::AF_INET as libc::sa_family_t,
                    sin_port: address.port().to_be(),
                    sin_addr: libc::in_addr {
                        s_addr: u32::from_ne_bytes(address.ip().octets()),
                    },
                    sin_zero: [0; 8],
                };
                size_of::<libc::sockaddr_in>() as libc::socklen_t
            }
            SocketAddr::V6(address) => {
                self.v6 = libc::sockaddr_in6 {
                    sin6_family: libc::AF_INET6 as libc::sa_family_t,
                    sin6_port: address.port().to_be(),
                    sin6_flowinfo: address.flowinfo(),
                    sin6_addr: libc::in6_addr {
                        s6_addr: address.ip().octets(),
                    },
                    sin6_scope_id: address.scope_id(),
                };
                size_of::<libc::sockaddr_in6>() as libc::socklen_t
            }
        }
    }

    /// The address, if it is one of the two families.
    pub(crate) fn get(&self) -> Option<SocketAddr> {
        // SAFETY: all bytes are initialised (see the type) and both variants are plain integers that start with the
        // family, so every bit pattern is valid for either.
        let (v4, v6) = unsafe { (&self.v4, &self.v6) };
        match libc::c_int::from(v4.sin_family) {
            libc::AF_INET => Some(SocketAddr::V4(SocketAddrV4::new(
                Ipv4Addr::from(v4.sin_addr.s_addr.to_ne_bytes()),
                u16::from_be(v4.sin_port),
            ))),
            libc::AF_INET6 => Some(SocketAddr::V6(SocketAddrV6::new(
                Ipv6Addr::from(v6.sin6_addr.s6_addr),
                u16::from_be(v6.sin6_port),
                v6.sin6_flowinfo,
                v6.sin6_scope_id,
            ))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_kernel_form() {
        for text in ["192.0.2.7:50000", "[2001:db8::9]:443", "0.0.0.0:0"] {
            let address: SocketAddr = text.parse().expect("an address");
            let mut raw = RawAddress::EMPTY;
            raw.set(&address);
            assert_eq!(raw.get(), Some(address));
        }
        let scoped = SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::LOCALHOST, 9, 7, 3));
        let mut raw = RawAddress::EMPTY;
        raw.set(&scoped);
        assert_eq!(raw.get(), Some(scoped));
        assert_eq!(RawAddress::EMPTY.get(), None);
    }
}
