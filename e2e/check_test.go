package e2e

import (
	"debug/elf"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot/e2e/lab"
)

// The program is one static file that knows its version.
func TestProgram(t *testing.T) {
	f, err := elf.Open(lab.Program())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("it is not static: it has a %v", p.Type)
		}
	}
	if got, want := lab.PxePilot(t, "--version"), lab.Version; !strings.Contains(got, want) {
		t.Errorf("--version says %q, want %s in it", got, want)
	}
}

// check tells everything that makes machines boot something else than is meant,
// without a server and without changing anything.
func TestCheck(t *testing.T) {
	hosts := lab.Hosts(10, 2)
	site := newSite(t, hosts...)
	mac := func(host, card int) string { return site.Link(hosts[host-1].MACs[card]) }
	deployed := func(host int) {
		lab.Link(t, "conf/local", mac(host, 0))
		lab.Link(t, filepath.Base(mac(host, 0)), mac(host, 1))
	}
	deployed(1) // as it should be
	lab.Link(t, "conf/gone", mac(2, 0))
	lab.Link(t, filepath.Base(mac(2, 0)), mac(2, 1))
	lab.Link(t, filepath.Join(site.Conf, "local"), mac(3, 0)) // absolute
	lab.Link(t, filepath.Base(mac(3, 0)), mac(3, 1))
	lab.Link(t, "../../outside", mac(4, 0))
	lab.Write(t, filepath.Join(filepath.Dir(site.Root), "outside"), "")
	lab.Link(t, "conf/local", mac(5, 0)) // each leads to the configuration itself
	lab.Link(t, "conf/local", mac(5, 1))
	lab.Write(t, mac(6, 0), "by hand\n")
	deployed(7)
	lab.Link(t, "conf/local", mac(8, 0)) // one card only
	deployed(9)
	lab.Link(t, filepath.Base(mac(9, 0)), filepath.Join(site.Links, "default"))
	lab.Link(t, "conf/local", filepath.Join(site.Links, "01-52-54-00-00-00-0A")) // of host 10
	lab.Link(t, "conf/local", filepath.Join(site.Links, "01-52-54-00-00-00-FF")) // of none
	lab.Link(t, "conf/local", filepath.Join(site.Links, "01-52-54-00-00-00-fe"))
	if err := os.Chmod(filepath.Join(site.Conf, "install"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := lab.Tree(t, filepath.Dir(site.Root))

	stdout, _, status := lab.Output(t, lab.Program(), "check", "-c", site.File)
	if status != 1 {
		t.Errorf("exit status %d, want 1", status)
	}
	var said []string
	for line := range strings.Lines(stdout) {
		line = strings.TrimSuffix(line, "\n")
		// Up to what is wrong: the words are the business of unit tests.
		if severity, rest, ok := strings.Cut(line, ": "); ok {
			where, what, _ := strings.Cut(rest, ": ")
			rel, err := filepath.Rel(site.Root, where)
			if err == nil && (severity == "error" || severity == "warning") {
				said = append(said, severity+" "+rel+": "+what)
			}
		}
	}
	for _, want := range []string{
		"error pxelinux.cfg/01-52-54-00-00-00-02: the link leads to nothing",
		"error pxelinux.cfg/01-52-54-00-01-00-02: the link leads to nothing",
		"warning pxelinux.cfg/01-52-54-00-00-00-03: the link is absolute",
		"error pxelinux.cfg/01-52-54-00-00-00-04: the link leaves the TFTP root",
		`warning .: host "h5": its links are not in the shape`,
		`error pxelinux.cfg/01-52-54-00-00-00-06: host "h6": not a link`,
		"error pxelinux.cfg/01-52-54-00-00-00-0A: the name is in upper case",
		"warning pxelinux.cfg/01-52-54-00-00-00-FF: the name is in upper case",
		"warning pxelinux.cfg/01-52-54-00-00-00-fe: it belongs to no host",
		`error .: host "h8": some of its links are missing`,
		"warning pxelinux.cfg/conf/install: mode 0600",
	} {
		if !slices.ContainsFunc(said, func(s string) bool { return strings.HasPrefix(s, want) }) {
			t.Errorf("check does not say %q", want)
		}
	}
	for _, s := range said {
		if strings.Contains(s, "-01:") || strings.Contains(s, "-07:") || strings.Contains(s, `"h1"`) || strings.Contains(s, `"h7"`) {
			t.Errorf("check complains of what is well: %s", s)
		}
	}
	if t.Failed() {
		t.Logf("it says:\n%s", stdout)
	}
	if diff := cmp.Diff(before, lab.Tree(t, filepath.Dir(site.Root))); diff != "" {
		t.Errorf("check changed something:\n%s", diff)
	}
}
