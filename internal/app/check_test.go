package app

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot/internal/cli"
)

// Whoever mends errors sees the warnings as well.
func TestCheckWarnsBesideErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pxe-pilot.yml")
	text := `hosts:
  - {name: h1, mac_addresses: [525400000001], uuid: 00000000-0000-0000-0000-000000000000, colour: red}
tftp: {root: /srv/tftp}
configuration: {directory: /srv/tftp/configurations}
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	found, err := check(t.Context(), cli.CheckOptions{Config: path})
	if err != nil {
		t.Fatal(err)
	}
	var got []cli.Severity
	for _, f := range found {
		got = append(got, f.Severity)
	}
	if d := cmp.Diff([]cli.Severity{cli.Error, cli.Warning}, got); d != "" {
		t.Errorf("(-want +got)\n%s\n%v", d, found)
	}
}
