package journal

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/pxe-pilot/pxe-pilot"
)

// Backup writes a copy of the journal as it is at this moment to a new file, beside
// those who write. Put in the place of journal.db, it is the journal.
func (j *Journal) Backup(ctx context.Context, path string) (err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return pxepilot.Errorf(pxepilot.Conflict, "%s is there already; name a new file for the backup", pxepilot.Quote(path))
	case err != nil:
		return pxepilot.Errorf(pxepilot.Unavailable, "the backup cannot be written: %v", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(path))
		}
	}()
	defer f.Close()
	if _, err := j.readers.ExecContext(ctx, `VACUUM INTO ?`, path); err != nil {
		return trouble(err)
	}
	return f.Sync()
}
