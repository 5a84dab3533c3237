package e2e

import (
	"path/filepath"
	"testing"

	"github.com/pxe-pilot/pxe-pilot/e2e/lab"
)

// configureBoots gives a site the configurations A and B of a loader, and the
// loader's default where fallback says: content is one that boots a marker.
func configureBoots(t *testing.T, site *lab.BootSite, loader string, content func(marker string) string, fallback string) {
	t.Helper()
	for _, marker := range []string{"A", "B"} {
		site.Configure(t, filepath.Join(loader, marker), content(marker))
	}
	lab.Write(t, filepath.Join(site.Root, fallback), content("default"))
}

// A bootStep is a command, and what its host boots then.
type bootStep struct {
	command []string
	marker  string
}

// bootSteps deploy A to a host, then B, then nothing, after which it boots
// otherwise.
func bootSteps(host, otherwise string) []bootStep {
	return []bootStep{
		{[]string{"config", "deploy", "A", host}, "A"},
		{[]string{"config", "deploy", "B", host}, "B"},
		{[]string{"host", "clear", host}, otherwise},
	}
}

// bootsWhatIsDeployed wants a machine to boot what is deployed to it by the
// program, and to ask each time for what is explained beforehand.
func bootsWhatIsDeployed(t *testing.T, server *lab.Server, m *lab.Machine, otherwise string) {
	t.Helper()
	for _, step := range bootSteps(m.Name, otherwise) {
		lab.PxePilot(t, append([]string{"-s", server.URL}, step.command...)...)
		bootsAsExplained(t, server, m, step.marker)
	}
}

// bootsAsExplained turns a machine on, wants it to boot a marker and to ask for
// what is explained beforehand, and turns it off.
func bootsAsExplained(t *testing.T, server *lab.Server, m *lab.Machine, marker string) {
	t.Helper()
	explained := m.Explain(t, server)
	m.PowerOn(t)
	m.Boots(t, marker)
	m.Off(t)
	m.AsExplained(t, explained)
}
