package app

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/cli"
)

// Why hosts do not boot what was deployed is told once for each cause, unless an
// error says it of the same file.
func TestCompleted(t *testing.T) {
	const root = "/srv/tftp"
	closed := pxepilot.Ask{Paths: []string{"cfg/1", "cfg/2", "cfg/3"}, Found: pxepilot.Unreadable}
	explained := func(name string, state pxepilot.State, asks []pxepilot.Ask, reasons ...string) pxepilot.Explanation {
		return pxepilot.Explanation{
			Status:   &pxepilot.HostStatus{Host: &pxepilot.Host{Name: name}, State: state, Links: []pxepilot.Link{{Bootloader: "grub", Path: "cfg/1", State: state}}},
			Searches: []pxepilot.Search{{Bootloader: "grub", Asks: asks, Reasons: reasons}, {Bootloader: "grub", Asks: asks, Reasons: reasons}},
		}
	}
	at := func(found pxepilot.Found, paths ...string) []pxepilot.Ask {
		return []pxepilot.Ask{{Paths: paths, Found: found}}
	}
	for _, tt := range []struct {
		name      string
		said      []cli.Finding
		explained []pxepilot.Explanation
		want      []cli.Finding
	}{
		{"all is well", nil, []pxepilot.Explanation{explained("a", pxepilot.Configured, nil)}, nil},
		{"nothing is deployed", nil, []pxepilot.Explanation{explained("a", pxepilot.None, nil, "x")}, nil},
		{
			"the same for many", nil,
			[]pxepilot.Explanation{explained("a", pxepilot.Configured, nil, "nobody asks for it"), explained("b", pxepilot.Configured, nil, "nobody asks for it", "it is odd")},
			[]cli.Finding{{Severity: cli.Error, Where: root, Message: `host "a" and 1 more: nobody asks for it`}, {Severity: cli.Error, Where: root, Message: `host "b": it is odd`}},
		},
		{
			"a warning about the host's link",
			[]cli.Finding{{Severity: cli.Warning, Where: root + "/cfg/1", Message: "the link is absolute"}, {Severity: cli.Warning, Where: root, Message: `host "a": its links are out of shape`}},
			[]pxepilot.Explanation{explained("a", pxepilot.Configured, at(pxepilot.Readable, "cfg/UUID"), "cfg/UUID comes before the host's link cfg/1; remove it")},
			[]cli.Finding{{Severity: cli.Error, Where: root, Message: `host "a": cfg/UUID comes before the host's link cfg/1; remove it`}},
		},
		{
			"an error about what comes after it",
			[]cli.Finding{{Severity: cli.Error, Where: root + "/cfg/default", Message: "the link leads to nothing"}, {Severity: cli.Error, Where: root + "/cfg", Message: "it cannot be listed"}},
			[]pxepilot.Explanation{explained("a", pxepilot.Configured, at(pxepilot.Readable, "cfg/UUID"), "cfg/UUID comes before the host's link cfg/1; remove it")},
			[]cli.Finding{{Severity: cli.Error, Where: root, Message: `host "a": cfg/UUID comes before the host's link cfg/1; remove it`}},
		},
		{
			"an error about the very file, and the very directory",
			[]cli.Finding{{Severity: cli.Error, Where: root + "/cfg/1", Message: "the link leads to nothing"}, {Severity: cli.Error, Where: root + "/the images", Message: "closed"}},
			[]pxepilot.Explanation{explained("a", pxepilot.Dangling, at(pxepilot.Broken, "cfg/1"), "cfg/1: it leads to nothing; mend that", "the images has mode 0700; mend that")},
			nil,
		},
		{
			"links are missing",
			[]cli.Finding{{Severity: cli.Error, Where: root, Message: `host "a": some of its links are missing`}},
			[]pxepilot.Explanation{explained("a", pxepilot.Partial, []pxepilot.Ask{{Paths: []string{"cfg/UUID"}, Found: pxepilot.Readable}, {Paths: []string{"cfg/1"}, Found: pxepilot.Absent}},
				"cfg/1 is missing; repair makes it", "cfg/UUID comes before the host's link cfg/1")},
			[]cli.Finding{{Severity: cli.Error, Where: root, Message: `host "a": cfg/UUID comes before the host's link cfg/1`}},
		},
		{
			"a file that is closed, behind each link",
			[]cli.Finding{{Severity: cli.Warning, Where: root + "/conf/x", Message: "mode 0600: the user of a TFTP server cannot read it; chmod o+r"}},
			[]pxepilot.Explanation{explained("a", pxepilot.Configured, []pxepilot.Ask{closed}, "cfg/1: conf/x has mode 0600", "cfg/2: conf/x has mode 0600"), explained("b", pxepilot.Configured, []pxepilot.Ask{closed}, "cfg/3: conf/x has mode 0600")},
			[]cli.Finding{{Severity: cli.Error, Where: root + "/conf/x", Message: `mode 0600: the user of a TFTP server cannot read it; chmod o+r; not booting what was deployed for that: host "a" and 1 more`}},
		},
		{
			"a file that is closed, in a directory that is linked", nil,
			[]pxepilot.Explanation{explained("a", pxepilot.Configured, at(pxepilot.Unreadable, "cfg/1/config.txt"), "cfg/1: conf/x/config.txt has mode 0600")},
			[]cli.Finding{{Severity: cli.Error, Where: root, Message: `host "a": conf/x/config.txt has mode 0600`}},
		},
		{
			"a file in front of each card's link", nil,
			[]pxepilot.Explanation{explained("a", pxepilot.Configured, at(pxepilot.Readable, "cfg/UUID"), "cfg/UUID comes before cfg/1", "cfg/UUID comes before cfg/2")},
			[]cli.Finding{{Severity: cli.Error, Where: root, Message: `host "a": cfg/UUID comes before cfg/1`}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := completed(tt.said, root, tt.explained)
			for _, f := range tt.said { // what is not made an error of stays as it is
				if len(got) > 0 && got[0] == f {
					got = got[1:]
				}
			}
			if d := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); d != "" {
				t.Error(d)
			}
		})
	}

	var all []pxepilot.Explanation
	for i := range 10_000 {
		all = append(all, explained(fmt.Sprint(i), pxepilot.Configured, nil, fmt.Sprintf("reason %d", i)))
	}
	got := messages(t, completed(nil, root, all), root)
	if len(got) != mostTold+1 || got[mostTold] != "hosts that do not boot what was deployed for reasons like these, besides: 9990" {
		t.Errorf("%d findings: %v", len(got), got[len(got)-1])
	}
}

// Whom a loader was taken from on purpose does not boot by it, which is a warning,
// and what the TFTP servers really give counts for more than fears.
func TestCompletedWithoutErrors(t *testing.T) {
	a := pxepilot.Explanation{
		Status: &pxepilot.HostStatus{
			Host: &pxepilot.Host{Name: "a"}, State: pxepilot.Partial, Canonical: true,
			Links: []pxepilot.Link{{Bootloader: "pxelinux", State: pxepilot.Configured}, {Bootloader: "grub", State: pxepilot.None}},
		},
		Searches: []pxepilot.Search{{Bootloader: "pxelinux"}, {Bootloader: "grub", Reasons: []string{"no variant"}}},
	}
	served := pxepilot.Explanation{
		Status:   &pxepilot.HostStatus{Host: &pxepilot.Host{Name: "b"}, State: pxepilot.Configured, Configuration: "x"},
		Searches: []pxepilot.Search{{Configuration: "x", Reasons: []string{"closed"}, Servers: []pxepilot.Verification{{Served: true}}}},
	}
	if found := completed(nil, "/srv/tftp", []pxepilot.Explanation{a, served}); found != nil {
		t.Errorf("%v", found)
	}
}

// Where a machine does not boot what was deployed, a check fails, whatever else it
// warns of.
func TestCheckFails(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(t *testing.T, root string)
		want  []string // errors
	}{
		{"all is well", func(*testing.T, string) {}, nil},
		{"a configuration that is closed, behind a link that is absolute", func(t *testing.T, root string) {
			link := filepath.Join(root, "pxelinux.cfg/01-52-54-00-00-00-01")
			if err := os.Remove(link); err != nil {
				t.Fatal(err)
			}
			symlink(t, filepath.Join(root, "conf/a"), link)
			if err := os.Chmod(filepath.Join(root, "conf/a"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, []string{`mode 0600: the user of a TFTP server cannot read it; chmod o+r; not booting what was deployed for that: host "h1"`}},
		{"a configuration that is closed", func(t *testing.T, root string) {
			if err := os.Chmod(filepath.Join(root, "conf/a"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, []string{`mode 0600: the user of a TFTP server cannot read it; chmod o+r; not booting what was deployed for that: host "h1"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root, err := filepath.EvalSymlinks(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			for dir := root; dir != filepath.Clean(os.TempDir()); dir = filepath.Dir(dir) {
				if err := os.Chmod(dir, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			for _, dir := range []string{"conf", "pxelinux.cfg"} {
				if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			write(t, filepath.Join(root, "conf/a"))
			symlink(t, "../conf/a", filepath.Join(root, "pxelinux.cfg/01-52-54-00-00-00-01"))
			symlink(t, "01-52-54-00-00-00-01", filepath.Join(root, "pxelinux.cfg/01-52-54-00-00-00-02"))
			tt.spoil(t, root)
			config := filepath.Join(t.TempDir(), "pxe-pilot.yml")
			text := fmt.Sprintf(`hosts:
  - {name: h1, mac_addresses: ["52:54:00:00:00:01", "52:54:00:00:00:02"]}
tftp: {root: %q}
configuration: {directory: %q}
`, root, filepath.Join(root, "conf"))
			if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			found, err := check(t.Context(), cli.CheckOptions{Config: config})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range found {
				if f.Severity == cli.Error {
					got = append(got, f.Message)
				}
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func write(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("DEFAULT x\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

func symlink(t *testing.T, text, path string) {
	t.Helper()
	if err := os.Symlink(text, path); err != nil {
		t.Fatal(err)
	}
}
