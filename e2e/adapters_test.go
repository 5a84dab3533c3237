package e2e

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot/e2e/lab"
	"github.com/pxe-pilot/pxe-pilot/internal/power/redfish/redfishtest"
)

// A strip is a power strip that a program of somebody's drives: its outlets are
// files of a directory.
type strip struct{ dir, program string }

// stripScript says what becomes of an outlet, for a password that the program is
// given by its environment or by its standard input. What it is told is noted.
const stripScript = `#!/bin/sh
dir=$(dirname "$0")/outlets
address=$1 outlet=$2 verb=$3
[ -n "$STRIP_PASSWORD" ] || read -r STRIP_PASSWORD
if [ "$STRIP_PASSWORD" != "$(cat "$dir/../password")" ]; then
  echo "bad password $STRIP_PASSWORD" >&2
  exit 3
fi
if [ -p "$dir/../hold" ] && [ "$verb" != status ]; then read -r _ <"$dir/../hold"; fi
echo "$address $verb" >>"$dir/$outlet.log"
case $verb in
  status) cat "$dir/$outlet" ;;
  on | off) echo "$verb" >"$dir/$outlet" ;;
  reset) ;;
esac
`

// newStrip makes a strip. Its outlets are off.
func newStrip(t *testing.T, password string, outlets ...string) *strip {
	t.Helper()
	dir := lab.Dir(t)
	s := &strip{filepath.Join(dir, "outlets"), filepath.Join(dir, "strip")}
	lab.Write(t, s.program, stripScript)
	if err := os.Chmod(s.program, 0o755); err != nil {
		t.Fatal(err)
	}
	lab.Write(t, filepath.Join(dir, "password"), password+"\n")
	for _, o := range outlets {
		lab.Write(t, filepath.Join(s.dir, o), "off\n")
	}
	return s
}

// adapter is the part of a configuration file that knows the strip, as the
// adapter of that name.
func (s *strip) adapter(name, password string) string {
	cmd := func(verb string) string { return s.program + " {{.ip_address}} {{.outlet}} " + verb }
	return fmt.Sprintf(`  - name: %s
    vars: [{name: password, value: %q}, {name: outlet, value: "1"}]
    power_status: {cmd: %q, env: {STRIP_PASSWORD: "{{.password}}"}, pattern_on: ^on$, pattern_off: ^off$}
    power_on: {cmd: %q, env: {STRIP_PASSWORD: "{{.password}}"}}
    power_off: {cmd: %q, stdin: "{{.password}}\n"}
    power_reset: {cmd: %q, stdin: "{{.password}}\n"}
`, name, password, cmd("status"), cmd("on"), cmd("off"), cmd("reset"))
}

// is what an outlet is.
func (s *strip) is(t *testing.T, outlet string) string {
	t.Helper()
	return strings.TrimSpace(lab.Read(t, filepath.Join(s.dir, outlet)))
}

// A program of one's own drives machines, and what hosts tell it is no command.
func TestCommandAdapter(t *testing.T) {
	const odd = "7; touch pwned & $(id)"
	strip := newStrip(t, "strip-password", "1", odd)
	site, hosts := lab.NewSite(t), lab.Hosts(3, 1)
	hosts[0].Power = "management: {adapter: strip, ip_address: 10.8.0.20}"
	hosts[1].Power = fmt.Sprintf("management: {adapter: strip, ip_address: 10.8.0.21, vars: [{name: outlet, value: %q}]}", odd)
	hosts[2].Power = `management: {adapter: strip, ip_address: 10.8.0.22, vars: [{name: password, value: not-the-one}]}`
	describe(t, site, hosts...)
	site.Describe(t, site.Text(hosts...)+"host_management_adapters:\n"+strip.adapter("strip", "strip-password"))
	server := site.Serve(t)
	pilot := func(status int, args ...string) (string, string) {
		t.Helper()
		return run(t, server, status, args...)
	}

	pilot(0, "host", "on", "h1")
	pilot(0, "host", "reboot", "h2") // which turns on what is off
	if strip.is(t, "1") != "on" || strip.is(t, odd) != "on" {
		t.Errorf("the outlets are %s and %s", strip.is(t, "1"), strip.is(t, odd))
	}
	pilot(0, "host", "off", "h2")
	if table, _ := pilot(0, "host", "status", "h1", "h2"); row(table, "h1") != "|h1|On|" || row(table, "h2") != "|h2|Off|" {
		t.Errorf("they are\n%s", table)
	}
	// No program can say what a machine boots next: its firmware has to.
	table, notes := pilot(0, "config", "deploy", "install", "h1", "-n")
	if row(table, "h1") != "|h1|install|YES|" || !strings.Contains(notes, "cannot set what a machine boots next") {
		t.Errorf("deployed\n%s%s", table, notes)
	}
	want := []string{"on", "reset"}
	var got []string
	for line := range strings.Lines(lab.Read(t, filepath.Join(strip.dir, "1.log"))) {
		if verb, ok := strings.CutPrefix(strings.TrimSpace(line), "10.8.0.20 "); !ok || verb != "status" {
			got = append(got, verb)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the strip was told (-want +got):\n%s", diff)
	}
	made, err := filepath.Glob(filepath.Join(filepath.Dir(strip.dir), "*", "pwned"))
	if err != nil || len(made) > 0 || lab.Exists("/pwned") {
		t.Errorf("a shell made %q (%v)", made, err)
	}

	_, errors := pilot(1, "host", "on", "h1", "h3")
	if !strings.Contains(errors, `h3: adapter "strip" at 10.8.0.22: power_status ended with status 3: "bad password ***"`) {
		t.Errorf("it says %s", errors)
	}
}

// A Redfish service that is known by its certificate drives a machine; one with
// another certificate learns nothing.
func TestRedfish(t *testing.T) {
	options := redfishtest.Options{Username: lab.User, Password: "rf-password"}
	service, impostor := redfishtest.New(options), redfishtest.New(options)
	t.Cleanup(service.Close)
	t.Cleanup(impostor.Close)
	site, hosts := lab.NewSite(t), lab.Hosts(3, 1)
	hosts[0].Power = redfish(service, "password: rf-password")
	hosts[1].Power = fmt.Sprintf("redfish: {url: %q, username: %s, password: rf-password, fingerprint: %q}",
		impostor.URL(), lab.User, strings.Repeat("00:", sha256.Size-1)+"00")
	hosts[2].Power = fmt.Sprintf("redfish: {url: %q, username: %s, password: rf-password}", impostor.URL(), lab.User)
	describe(t, site, hosts...)
	server := site.Serve(t)
	pilot := func(status int, args ...string) (string, string) {
		t.Helper()
		return run(t, server, status, args...)
	}

	machine := service.System("")
	pilot(0, "host", "on", "h1")
	if !machine.IsOn() {
		t.Error("the machine is off")
	}
	table, _ := pilot(0, "config", "deploy", "install", "h1", "--now")
	if row(table, "h1") != "|h1|install|YES|" {
		t.Errorf("deployed\n%s", table)
	}
	if boot := machine.Boot(); boot.Enabled != "Once" || boot.Target != "Pxe" {
		t.Errorf("it boots %+v next", boot)
	}
	pilot(0, "host", "off", "h1")
	if diff := cmp.Diff([]string{"On", "ForceRestart", "ForceOff"}, machine.Actions()); diff != "" {
		t.Errorf("actions (-want +got):\n%s", diff)
	}

	_, errors := pilot(1, "host", "on", "h2", "h3")
	for _, host := range []string{"h2", "h3"} {
		if !strings.Contains(errors, host) || !strings.Contains(errors, "redfish.fingerprint") {
			t.Errorf("want it to tell of %s and what to do: %s", host, errors)
		}
	}
	for _, r := range impostor.Requests() {
		if r.Credentials || strings.Contains(r.Body, "rf-password") {
			t.Errorf("the impostor learnt a password by %s %s", r.Method, r.Path)
		}
	}
}

// redfish is the power of a host that a Redfish service drives, which is known by
// the fingerprint of its certificate.
func redfish(s *redfishtest.Server, credentials string) string {
	sum := fmt.Sprintf("% X", sha256.Sum256(s.Certificate().Raw)) // as openssl prints it, but for the colons
	return fmt.Sprintf("redfish: {url: %q, username: %s, fingerprint: %q, %s}", s.URL(), lab.User, strings.ReplaceAll(sum, " ", ":"), credentials)
}

// run runs a command that asks a server, wants its exit status, and returns what
// it says.
func run(t *testing.T, s *lab.Server, status int, args ...string) (stdout, stderr string) {
	t.Helper()
	stdout, stderr, got := lab.Output(t, lab.Program(), append([]string{"-s", s.URL}, args...)...)
	if got != status {
		t.Errorf("pxe-pilot %s: exit status %d, want %d\n%s%s", strings.Join(args, " "), got, status, stdout, stderr)
	}
	return stdout, stderr
}
