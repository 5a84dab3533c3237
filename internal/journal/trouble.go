package journal

import (
	"context"
	"errors"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/pxe-pilot/pxe-pilot"
)

// directory is how messages call it: a caller of the API has no business with
// the paths of the server, and who runs the server knows the key.
const directory = "state directory (state.directory)"

const damage = "the journal in the " + directory + " is damaged, or its disk is (see dmesg); it is left as it is: restore a backup of it, or move journal.db and what begins like it away to begin a new one"

const full = "there is no space left for the journal; make room in the " + directory

// trouble makes a clear sentence of what the journal's database did not do.
func (j *Journal) trouble(err error) error { return trouble(j.path, err) }

// trouble makes a clear sentence of what the database at a path did not do.
func trouble(path string, err error) error {
	var ours *pxepilot.Error
	var theirs *sqlite.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &ours), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, errBlob):
		return unavailable(err, damage)
	case !errors.As(err, &theirs):
		return pxepilot.Errorf(pxepilot.Internal, "the journal does not work: %v", err)
	}
	switch theirs.Code() & 0xff { // https://sqlite.org/rescode.html
	case lib.SQLITE_FULL:
		return unavailable(err, full)
	case lib.SQLITE_READONLY:
		return unavailable(err, "the journal cannot be written; see that the "+directory+" is on a writable file system and that its files belong to the user of the server")
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return unavailable(err, "another process keeps the journal locked; end it, or try again")
	case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
		return unavailable(err, damage)
	case lib.SQLITE_CANTOPEN, lib.SQLITE_IOERR:
		if cramped(path, beside) { // of what is short beside the database it says no more
			return unavailable(err, full)
		}
		return unavailable(err, "the files of the journal cannot be opened, read or written; see that the "+directory+" is there and what the kernel says of its disk (dmesg)")
	}
	return pxepilot.Errorf(pxepilot.Internal, "the journal does not work: %v", err)
}

// beside is about what SQLite keeps beside a database, in bytes.
const beside = 128 << 10

// cramped says whether the file system of a path has no more room than that.
func cramped(path string, room uint64) bool {
	var fs unix.Statfs_t
	err := unix.Statfs(filepath.Dir(path), &fs)
	return err == nil && (fs.Bavail*uint64(fs.Bsize) < room || fs.Files > 0 && fs.Ffree < 4)
}

func unavailable(cause error, sentence string) error {
	return pxepilot.Errorf(pxepilot.Unavailable, "%s", sentence).Because(cause)
}

// isFull says whether an error is for want of space.
func isFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || isOf(err, lib.SQLITE_FULL)
}

// isOf says whether an error is SQLite's, of one of some codes.
func isOf(err error, codes ...int) bool {
	var theirs *sqlite.Error
	return errors.As(err, &theirs) && slices.Contains(codes, theirs.Code()&0xff)
}
