//! Where a cluster's facts are kept, leases and claims: in memory and in Redis.
