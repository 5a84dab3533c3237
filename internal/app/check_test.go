package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot"
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

// A command that is needed at every switch is looked for beforehand.
func TestCheckWarnsOfCommands(t *testing.T) {
	root := t.TempDir()
	path := filepath.Join(t.TempDir(), "pxe-pilot.yml")
	for _, tt := range []struct{ command, want string }{
		{"sh -c 'exit 1'", ""},
		{"./push.sh to-the-replica", `deploy.after_switch begins with the relative path "./push.sh", but commands are run in /; write the whole path`},
		{"no-such-program -a", `deploy.after_switch begins with "no-such-program", which is not found in PATH here; install it, or write the path of what is meant`},
	} {
		text := fmt.Sprintf("hosts: []\ndeploy: {after_switch: %q}\ntftp: {root: %q}\nconfiguration: {directory: %q}\n", tt.command, root, filepath.Join(root, "conf"))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		found, err := check(t.Context(), cli.CheckOptions{Config: path})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, f := range found {
			if f.Severity == cli.Warning && f.Where == path+":2:24" {
				got = f.Message
			}
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q in %v", tt.command, got, tt.want, found)
		}
	}
}

// What one server does not give is told host by host as far as anybody reads it,
// and that it cannot be asked is told once.
func TestUnservedBy(t *testing.T) {
	dead := pxepilot.Errorf(pxepilot.Unavailable, "it does not answer")
	host := func(name string, of ...pxepilot.Verification) pxepilot.Explanation {
		e := pxepilot.Explanation{Status: &pxepilot.HostStatus{Host: &pxepilot.Host{Name: name}}}
		for i, v := range of {
			e.Searches = append(e.Searches, pxepilot.Search{Bootloader: "grub", MAC: pxepilot.MAC{5: byte(i)}, Servers: []pxepilot.Verification{v}})
		}
		return e
	}
	served, other, silent := pxepilot.Verification{Served: true}, pxepilot.Verification{Got: "other content"}, pxepilot.Verification{Err: dead}
	all := []pxepilot.Explanation{host("a", served, served), host("b", served, other), host("c", silent, silent), host("d", silent, other), host("none")}
	want := []string{
		`host "b", booting by 00:00:00:00:00:01 and grub, is given other content`,
		"it does not answer; hosts that it was not asked for, for that reason: 2",
	}
	if d := cmp.Diff(want, messages(t, unservedBy(0, "10.0.0.2:69", all), "10.0.0.2:69")); d != "" {
		t.Error(d)
	}
	all = nil
	for range 10_000 {
		all = append(all, host("a", other))
	}
	got := messages(t, unservedBy(0, "10.0.0.2:69", all), "10.0.0.2:69")
	if len(got) != mostTold+1 || got[mostTold] != "hosts that are not given what is on the disk, besides: 9990" {
		t.Errorf("%d findings: %v", len(got), got[len(got)-1])
	}
}

func messages(t *testing.T, found []cli.Finding, where string) []string {
	t.Helper()
	var list []string
	for _, f := range found {
		if f.Severity != cli.Error || f.Where != where {
			t.Errorf("%+v", f)
		}
		list = append(list, f.Message)
	}
	return list
}

// What is known when a check is interrupted would pass for all that is wrong.
func TestCheckIsInterrupted(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "pxe-pilot.yml")
	text := fmt.Sprintf(`hosts:
  - {name: h1, mac_addresses: ["52:54:00:00:00:01"]}
tftp: {root: %s, address: 127.0.0.1}
configuration: {directory: %[1]s/conf}
`, dir)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, verify := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if found, err := check(ctx, cli.CheckOptions{Config: path, Verify: verify}); found != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("verify %t: %v, %v", verify, found, err)
		}
	}
}
