package journal

import (
	_ "embed"
	"fmt"

	"github.com/pxe-pilot/pxe-pilot"
)

//go:embed schema/1.sql
var schema1 string

// migrations bring a database from each version to the next one: the first from
// nothing to version 1. A version that was released never changes.
var migrations = []string{schema1}

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
		err := w.transaction(func() error {
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
