package journal

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
	lib "modernc.org/sqlite/lib"

	"github.com/pxe-pilot/pxe-pilot"
)

// Backup writes a copy of the journal as it is at this moment to a new file, beside
// those who write. In the place of journal.db, it is the journal. It gets its name
// when it is whole.
func (j *Journal) Backup(ctx context.Context, path string) error {
	if err := j.usable(); err != nil {
		return err
	}
	return backup(ctx, j.path, path)
}

// Backup does so with the journal of a directory that another process may have
// open. It changes nothing there, and has the copy only of a journal that is whole.
func Backup(ctx context.Context, directory, path string) error {
	dir, err := filepath.Abs(directory)
	if err != nil {
		return misplaced(err)
	}
	from := filepath.Join(dir, database)
	if err := readable(from); err != nil {
		_, there := os.Stat(dir)
		switch {
		case errors.Is(err, fs.ErrPermission):
			return pxepilot.Errorf(pxepilot.Forbidden, "the journal in %s is closed to you; run this as the user of the server, or as root", pxepilot.Quote(dir)).Because(err)
		case errors.Is(err, fs.ErrNotExist) && there == nil:
			return pxepilot.Errorf(pxepilot.NotFound, "there is no journal in %s; no server has kept its state there yet", pxepilot.Quote(dir)).Because(err)
		}
		return misplaced(err)
	}
	if err := check(ctx, from); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return trouble(from, err)
	}
	return backup(ctx, from, path)
}

func readable(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return f.Close()
}

// backup copies a database to a new file.
func backup(ctx context.Context, from, path string) error {
	if _, err := os.Lstat(path); err == nil {
		return noBackup(path, fs.ErrExist)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".pxe-pilot-backup-*") // 0600
	if err != nil {
		return noBackup(path, err)
	}
	err = errors.Join(copyTo(ctx, from, f.Name()), f.Sync(), f.Close())
	if err == nil {
		err = renameNew(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	} else {
		err = syncDirectory(filepath.Dir(path))
	}
	if ctx.Err() != nil && err != nil {
		return ctx.Err()
	}
	return noBackup(path, err)
}

// copyTo copies a database to an empty file.
func copyTo(ctx context.Context, from, path string) error {
	// Those who read must not write, which this is for SQLite.
	db, err := open(from, "ro")
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, `VACUUM INTO ?`, path)
	if isOf(err, lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB, lib.SQLITE_BUSY) { // what is copied, not the copy
		err = trouble(from, err)
	}
	return errors.Join(err, db.Close())
}

// renameNew renames a file to a name that is not there.
func renameNew(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	// Some file systems, network ones above all, know no flags (rename(2)): that
	// the name is free was seen before.
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		return os.Rename(from, to)
	}
	return err
}

// noBackup makes a clear sentence of what keeps a backup from being written.
func noBackup(path string, err error) error {
	var ours *pxepilot.Error
	name := pxepilot.Quote(path)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &ours):
		return err
	case errors.Is(err, fs.ErrExist):
		return pxepilot.Errorf(pxepilot.Conflict, "%s is there already; name a new file for the backup", name).Because(err)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR):
		return pxepilot.Errorf(pxepilot.Unavailable, "the directory of %s is missing; name a file in one that is there", name).Because(err)
	case isFull(err):
		return pxepilot.Errorf(pxepilot.Unavailable, "there is no space left for the backup %s; make room, or name a file elsewhere", name).Because(err)
	}
	return pxepilot.Errorf(pxepilot.Unavailable, "the backup %s cannot be written; name a file in a directory that the user of the server may write to", name).Because(err)
}
