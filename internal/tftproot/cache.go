package tftproot

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/pxe-pilot/pxe-pilot"
)

// A snapshot is what one scan saw, and what tells whether it still holds.
//
// It holds while the stamp of every directory of links and of configurations is
// the same, for whatever happens to a name changes its directory. That is only
// so where stamps are finer than the changes: some kernels and file systems
// stamp by a clock that stands still for 4 to 10 ms, so that a change right after
// a scan may leave the stamp as it was. A snapshot is therefore kept only if
// every stamp had settled when its scan began. What a stamp does not cover (a
// link that leads out of these directories, a configuration that is itself a
// link) is resolved anew at every request.
type snapshot struct {
	view      *pxepilot.View
	bound     *bound
	confs     []map[string]bool // per loader: the names of its configurations
	dirs      []dirStamp
	settled   bool
	resolved  []resolution
	linkConfs []linkConf
}

// A dirStamp is what a directory looked like.
type dirStamp struct {
	loc
	stamp
}

// A stamp changes whenever a name in a directory does.
type stamp struct {
	id           id
	mtime, ctime unix.Timespec
	stable       bool // the file system is local and known to keep stamps
}

// settling is how old a stamp must be before a change that follows is sure to
// show: more than the coarsest tick of kernels, 10 ms at HZ=100, by far.
const settling = 100 * time.Millisecond

func stampOf(d *dir) (stamp, error) {
	var st unix.Stat_t
	if err := again(func() error { return unix.Fstat(d.fd(), &st) }); err != nil {
		return stamp{}, err
	}
	return stamp{id{st.Dev, st.Ino}, st.Mtim, st.Ctim, stableFS(d)}, nil
}

// settledAt says whether the stamp was old enough at a moment.
func (s stamp) settledAt(t time.Time) bool {
	for _, ts := range []unix.Timespec{s.mtime, s.ctime} {
		if t.Sub(time.Unix(ts.Unix())) < settling {
			return false
		}
	}
	return s.stable
}

// stableFS says whether a directory is on a local file system whose stamps show
// every change. On all others, network ones above all, nothing is kept.
func stableFS(d *dir) bool {
	var st unix.Statfs_t
	if err := again(func() error { return unix.Fstatfs(d.fd(), &st) }); err != nil {
		return false
	}
	switch uint32(st.Type) {
	case unix.EXT4_SUPER_MAGIC, // and ext2, ext3
		unix.XFS_SUPER_MAGIC,
		unix.BTRFS_SUPER_MAGIC,
		unix.F2FS_SUPER_MAGIC,
		unix.TMPFS_MAGIC,
		unix.RAMFS_MAGIC,
		0x2fc12fc1: // OpenZFS, which has no constant in linux/magic.h
		return true
	}
	return false
}

// stamps notes what the directories of a session look like; a missing one has
// the zero stamp.
func (s *session) stamps() []dirStamp {
	list := make([]dirStamp, len(s.dirs))
	for i, d := range s.dirs {
		list[i] = dirStamp{d.loc, d.seen}
	}
	return list
}

// holds says whether the snapshot is what a scan in s would see.
func (c *snapshot) holds(s *session, inv *pxepilot.Inventory) bool {
	if !c.settled || c.view.Inventory != inv || len(c.dirs) != len(s.dirs) {
		return false
	}
	for i, d := range s.dirs {
		if c.dirs[i] != (dirStamp{d.loc, d.seen}) {
			return false
		}
	}
	for _, r := range c.resolved {
		if s.resolve(r.dir, r.text) != r.ends {
			return false
		}
	}
	for _, l := range c.linkConfs {
		if s.linkIsConfiguration(l.loader, l.name) != l.is {
			return false
		}
	}
	return true
}

// sameDirs says whether another session has the same directories, so that the
// names bound to them still fit.
func sameDirs(a []dirStamp, s *session) bool {
	if len(a) != len(s.dirs) {
		return false
	}
	for i, d := range s.dirs {
		if a[i].loc != d.loc {
			return false
		}
	}
	return true
}
