package app

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/cli"
	"github.com/pxe-pilot/pxe-pilot/internal/journal"
)

// The directory is that of the file, and else the environment's.
func TestBackup(t *testing.T) {
	base := t.TempDir()
	file := func(name, state string) string {
		path := filepath.Join(base, name)
		text := fmt.Sprintf("hosts: []\ntftp: {root: %[1]s/tftp}\nconfiguration: {directory: %[1]s/tftp/conf}\n%[2]s", base, state)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, tt := range map[string]struct{ config, want string }{
		"of the file":        {"state: {directory: " + base + "/named}", "named"},
		"of the environment": {"", "told"},
	} {
		t.Run(name, func(t *testing.T) {
			j, err := journal.Open(t.Context(), journal.Options{Directory: filepath.Join(base, tt.want)})
			if err != nil {
				t.Fatal(err)
			}
			defer j.Close()
			to := filepath.Join(base, tt.want+".bak")
			got, err := backup(t.Context(), cli.BackupOptions{Config: file(tt.want+".yml", tt.config), File: to}, filepath.Join(base, "told"))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(&cli.Backup{File: to, Directory: filepath.Join(base, tt.want)}, got); d != "" {
				t.Error(d)
			}
			if info, err := os.Stat(to); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%v, %v", info, err)
			}
		})
	}
	if _, err := backup(t.Context(), cli.BackupOptions{Config: file("c.yml", ""), File: filepath.Join(base, "x")}, filepath.Join(base, "none")); pxepilot.ErrorCode(err) != pxepilot.Unavailable {
		t.Error(err)
	}
	if _, err := backup(t.Context(), cli.BackupOptions{Config: filepath.Join(base, "none.yml"), File: filepath.Join(base, "x")}, base); err == nil {
		t.Error("no configuration file, and no error")
	}
}
