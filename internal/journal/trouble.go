package journal

import (
	"errors"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/pxe-pilot/pxe-pilot"
)

// directory is how messages call it: a caller of the API has no business with
// the paths of the server, and who runs the server knows the key.
const directory = "state directory (state.directory)"

const damage = "the journal in the " + directory + " is damaged, and left as it is; restore a backup of it, or move journal.db and what begins like it away to begin a new one"

const full = "there is no space left for the journal; make room in the " + directory

// trouble makes a clear sentence of what a database did not do.
func trouble(err error) error {
	var ours *pxepilot.Error
	var theirs *sqlite.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &ours):
		return err
	case errors.Is(err, errBlob):
		return unavailable(err, damage)
	case !errors.As(err, &theirs):
		return pxepilot.Errorf(pxepilot.Internal, "the journal does not work: %v", err)
	}
	switch theirs.Code() & 0xff {
	case lib.SQLITE_FULL:
		return unavailable(err, full)
	case lib.SQLITE_READONLY:
		return unavailable(err, "the journal cannot be written; see that the "+directory+" is on a writable file system and that its files belong to the user of the server")
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return unavailable(err, "another process keeps the journal locked; end it, or try again")
	case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
		return unavailable(err, damage)
	case lib.SQLITE_CANTOPEN, lib.SQLITE_PERM, lib.SQLITE_AUTH:
		return unavailable(err, "the journal cannot be opened; see that the "+directory+" is there and that its files belong to the user of the server")
	case lib.SQLITE_IOERR:
		return unavailable(err, "the disk of the "+directory+" does not work; see what the kernel says of it (dmesg)")
	}
	return pxepilot.Errorf(pxepilot.Internal, "the journal does not work: %v", err)
}

func unavailable(cause error, sentence string) error {
	return pxepilot.Errorf(pxepilot.Unavailable, "%s", sentence).Because(cause)
}
