package journal

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/pxe-pilot/pxe-pilot"
)

// application marks the database as ours (PRAGMA application_id): "PXEp".
const application = 0x50584570

//go:embed schema/1.sql
var schema1 string

// migrations bring a database from each version to the next one: the first from
// nothing to version 1. A version that was released never changes. Version 2 has
// other blobs (packing in pack.go), of which those of version 1 are read as well.
var migrations = []string{schema1, `SELECT 2`}

// migrate brings a database to the last version, one transaction for each.
func migrate(w *writer, migrations []string) error {
	for {
		var version int
		if err := w.row(`PRAGMA user_version`, nil, &version); err != nil {
			return err
		}
		switch {
		case version == len(migrations):
			return nil
		case version > len(migrations):
			return newer(version, len(migrations))
		}
		err := w.transaction(atOnce, func() error {
			if err := w.script(migrations[version]); err != nil {
				return err
			}
			return w.script(fmt.Sprintf("PRAGMA user_version = %d", version+1))
		})
		if err != nil {
			return err
		}
	}
}

func newer(version, known int) error {
	return pxepilot.Errorf(pxepilot.Unavailable,
		"the journal is of format %d and this version of the program knows formats up to %d; install the newer version again, or restore a backup of before", version, known)
}

// create makes a new database. It gets its name when it is whole, so that one that
// is empty or half made is damaged and never new.
func create(path string) error {
	if _, err := os.Stat(path + "-wal"); err == nil {
		return pxepilot.Errorf(pxepilot.Unavailable, "%s is missing in the %s, and what belongs to it is still there; put it back, or move %[1]s-wal away to begin a new one", database, directory)
	}
	made := path + ".new"
	for _, left := range []string{made, made + "-wal", made + "-shm", made + "-journal"} {
		if err := os.Remove(left); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return misplaced(err)
		}
	}
	// SQLite gives its other files the mode of this one.
	f, err := os.OpenFile(made, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return misplaced(err)
	}
	if err := f.Close(); err != nil {
		return misplaced(err)
	}
	w, err := newWriter(made)
	if err != nil {
		return err
	}
	err = w.script(fmt.Sprintf("PRAGMA application_id = %d", application))
	if err == nil {
		err = migrate(w, migrations)
	}
	if err == nil {
		err = w.writeAhead()
	}
	if closing := w.close(); err == nil {
		err = closing
	}
	if err != nil {
		return err
	}
	if err := os.Rename(made, path); err != nil {
		return misplaced(err)
	}
	if err := syncDirectory(filepath.Dir(path)); err != nil {
		return misplaced(err)
	}
	return nil
}

// check looks whether a database is ours and whole. It does so by a connection
// that cannot write, for closing the last one that can changes the database.
func check(ctx context.Context, path string) error {
	if err := checkFiles(path); err != nil {
		return err
	}
	db, err := open(path, "ro")
	if err != nil {
		return err
	}
	defer db.Close()
	var id, version int
	if err := db.QueryRowContext(ctx, `PRAGMA application_id`).Scan(&id); err != nil {
		return err
	}
	if err := db.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
		return err
	}
	switch {
	case id != application:
		return pxepilot.Errorf(pxepilot.Unavailable, "%s in the %s is the database of another program; move it away", database, directory)
	case version > len(migrations):
		return newer(version, len(migrations))
	}
	var verdict string
	if err := db.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return unavailable(errors.New(verdict), damage)
	}
	return nil
}

// checkFiles looks at the database before SQLite does, which takes a file for
// whole that is empty, opens what it may only read without a word, and puts into a
// backup that was restored the write-ahead log of the database that was there
// before.
func checkFiles(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return misplaced(err)
	}
	defer f.Close()
	header := make([]byte, 20) // section 1.3 of https://sqlite.org/fileformat2.html
	if _, err := io.ReadFull(f, header); err != nil {
		return unavailable(err, damage)
	}
	log, err := os.Stat(path + "-wal")
	if err == nil && log.Size() > 0 && string(header[:16]) == magic && header[18] == rollbackMode {
		return pxepilot.Errorf(pxepilot.Unavailable, "%s in the %s was restored from a backup, and %[1]s-wal is of the one before; move %[1]s-wal away", database, directory)
	}
	return nil
}

// What the header says of every database, and of one that has no write-ahead log.
const (
	magic        = "SQLite format 3\x00"
	rollbackMode = 1
)
