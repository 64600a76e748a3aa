//! The kinds of file systems, by their magic numbers (`statfs(2)`).

use std::path::Path;

/// The file system's magic number; `None` where the system has none, or does not tell.
#[cfg(target_os = "linux")]
pub fn magic(path: &Path) -> Option<u64> {
    let magic = rustix::fs::statfs(path).ok()?.f_type;
    // The field's type differs between architectures; every magic number has 32 bits.
    Some(magic as u64 & 0xffff_ffff)
}

#[cfg(not(target_os = "linux"))]
pub fn magic(_path: &Path) -> Option<u64> {
    None
}

/// The name of a file system that other machines write to. FUSE says nothing of what is behind it, so it is let
/// through.
pub fn network(magic: u64) -> Option<&'static str> {
    Some(match magic {
        0x6969 => "NFS",
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => "SMB",
        0x0102_1997 => "9p, as virtual machines and WSL share folders",
        0x786f_4256 => "a VirtualBox shared folder",
        0x5346_414f => "AFS",
        0x7375_7245 => "Coda",
        0x564c => "NCP",
        0x00c3_6400 => "Ceph",
        0x0bd0_0bd0 => "Lustre",
        0x0116_1970 => "GFS2",
        0x7461_636f => "OCFS2",
        _ => return None,
    })
}

/// Why what lies on a file system is gone one day without anybody's removing it.
pub fn fleeting(magic: u64) -> Option<&'static str> {
    Some(match magic {
        0x0102_1994 => "tmpfs lies in memory: what is in it is gone when the machine restarts",
        0x8584_58f6 => "ramfs lies in memory: what is in it is gone when the machine restarts",
        0x794c_7630 => "overlay is a container's own layer: what is in it is gone with the container",
        _ => return None,
    })
}

/// What a file system is called; its number where it is not one of the usual.
pub fn name(magic: u64) -> String {
    let local = match magic {
        0xef53 => "ext4",
        0x9123_683e => "btrfs",
        0x5846_5342 => "XFS",
        0x2fc1_2fc1 => "ZFS",
        0xf2f5_2010 => "F2FS",
        0xca45_1a4e => "bcachefs",
        0x6573_5546 => "FUSE",
        0x4d44 => "FAT",
        0x0102_1994 => "tmpfs",
        0x8584_58f6 => "ramfs",
        0x794c_7630 => "overlay",
        _ => "",
    };
    match network(magic) {
        Some(name) => name.to_owned(),
        None if local.is_empty() => format!("file system {magic:#x}"),
        None => local.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_told_from_local_ones() {
        for (magic, is_network) in [
            (0x6969, true),
            (0xff53_4d42, true),
            (0x0102_1997, true),
            (0xef53, false),      // ext4
            (0x9123_683e, false), // btrfs
            (0x5846_5342, false), // XFS
            (0x0102_1994, false), // tmpfs
            (0x794c_7630, false), // overlayfs
            (0x2fc1_2fc1, false), // ZFS
            (0x6573_5546, false), // FUSE
        ] {
            assert_eq!(network(magic).is_some(), is_network, "{magic:#x}");
        }
    }

    #[test]
    fn what_does_not_last_is_told_from_what_does() {
        for (magic, word) in [(0x0102_1994, "tmpfs"), (0x8584_58f6, "ramfs"), (0x794c_7630, "overlay")] {
            assert!(fleeting(magic).unwrap().starts_with(word));
            assert_eq!(name(magic), word);
        }
        assert_eq!((fleeting(0xef53), name(0xef53)), (None, "ext4".to_owned()));
        assert_eq!(name(0x6969), "NFS");
        assert_eq!(name(0x1234), "file system 0x1234");
    }
}
