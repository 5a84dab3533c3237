package app

import (
	"cmp"
	"context"
	"path/filepath"

	"github.com/pxe-pilot/pxe-pilot/internal/cli"
	"github.com/pxe-pilot/pxe-pilot/internal/journal"
)

// backup is "pxe-pilot backup": a copy of the journal that a server has open which
// reads the same file. state is where that server keeps it unless the file says.
func backup(ctx context.Context, o cli.BackupOptions, state string) (*cli.Backup, error) {
	c, err := load(o.Config)
	if err != nil {
		return nil, err
	}
	made := &cli.Backup{Directory: cmp.Or(c.State.Directory, state)}
	if made.File, err = filepath.Abs(o.File); err != nil {
		return nil, err
	}
	if err := journal.Backup(ctx, made.Directory, made.File); err != nil {
		return nil, err
	}
	return made, nil
}
