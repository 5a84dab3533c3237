package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/e2e/lab"
	"github.com/pxe-pilot/pxe-pilot/internal/neighbour/lantest"
	"github.com/pxe-pilot/pxe-pilot/internal/power/fakebmc"
)

// A finder is a server that looks for BMCs in a network, and who asks it.
type finder struct {
	t      *testing.T
	lan    *lab.LAN
	wire   *lantest.Wire
	site   *lab.Site
	hosts  []lab.Host
	server *lab.Server
}

// near is the address of the server's machine, and office what stands in the file
// of its network.
const near, office = "10.9.0.1", "10.9.0.0/27"

// bmcMAC is the address by which the file knows the BMC of a host.
func bmcMAC(host int) pxepilot.MAC { return pxepilot.MAC{0x52, 0x54, 0, 0xbb, 0, byte(host)} }

func newFinder(t *testing.T) *finder {
	t.Helper()
	f := &finder{t: t, lan: lab.NewLAN(t), site: lab.NewSite(t), hosts: lab.Hosts(3, 1)}
	f.wire = f.lan.Wire(near + "/27")
	for i := range f.hosts {
		f.hosts[i].Power = knownByMAC(i+1, office)
	}
	describe(t, f.site, f.hosts...)
	return f
}

// knownByMAC is the power of a host whose BMC is known by its MAC address alone.
func knownByMAC(host int, subnet string) string {
	return `ipmi: {mac_address: "` + bmcMAC(host).String() + `", subnets: "` + subnet + `", username: ` + lab.User + `, password: known}`
}

// serve starts a server in the network.
func (f *finder) serve() {
	f.t.Helper()
	f.server = lab.Serving(f.t, f.lan.Start(f.t, f.site.Command(f.t)))
}

// run runs a command that asks the server, wants its exit status, and returns
// what it says.
func (f *finder) run(status int, args ...string) (stdout, stderr string) {
	f.t.Helper()
	stdout, stderr, got := f.lan.Output(f.t, lab.Program(), append([]string{"-s", f.server.URL}, args...)...)
	if got != status {
		f.t.Errorf("pxe-pilot %s: exit status %d, want %d\n%s%s", strings.Join(args, " "), got, status, stdout, stderr)
	}
	return stdout, stderr
}

// patch asks for a sweep as others do, and wants that status.
func (f *finder) patch(path, status string) (message string) {
	f.t.Helper()
	stdout, stderr, _ := f.lan.Output(f.t, "curl", "-sS", "-X", "PATCH", "-w", "%{http_code}", f.server.URL+path)
	if !strings.HasSuffix(stdout, status) {
		f.t.Errorf("PATCH %s: %s%s, want status %s", path, stdout, stderr, status)
	}
	return strings.TrimSuffix(stdout, status)
}

// bmc starts a BMC in the network.
func (f *finder) bmc(address string, m *fakebmc.Machine) {
	f.t.Helper()
	var b *fakebmc.IPMI
	var err error
	f.lan.DoFar(func() { b, err = fakebmc.StartIPMI(address+":623", lab.Account("known"), m) })
	if err != nil {
		f.t.Fatal(err)
	}
	lab.Closing(f.t, b)
}

// row is the row of a table that begins with a word, without its spaces.
func row(table, first string) string {
	for line := range strings.Lines(table) {
		if strings.HasPrefix(line, "| "+first+" ") {
			return strings.ReplaceAll(strings.TrimSpace(line), " ", "")
		}
	}
	return ""
}

// BMCs that are known by their MAC addresses alone are found, found again after
// a restart, and found again elsewhere.
func TestDiscover(t *testing.T) {
	f := newFinder(t)
	machine := new(fakebmc.Machine)
	plug := f.wire.Machine(bmcMAC(1), "10.9.0.5")
	plug.Reach(near)
	f.bmc("10.9.0.5", machine)
	f.wire.Machine(bmcMAC(2), "10.9.0.6", "10.9.0.16")
	f.serve()
	// wantHost wants of h1 that it is listed so.
	wantHost := func(address string, state pxepilot.PowerState) {
		t.Helper()
		table, _ := f.run(0, "host", "list")
		if got, want := row(table, "h1"), "|h1||"+f.hosts[0].MACs[0]+"|"+bmcMAC(1).String()+"|"+address+"|"+string(state)+"|"; got != want {
			t.Errorf("want %s:\n%s", want, table)
		}
	}

	wantHost("", pxepilot.PowerUnknown)
	const discover = "'pxe-pilot discover'"
	if text, _ := f.run(0, "host", "show", "h1"); !strings.Contains(text, "Power problem:  host h1: the address of its BMC is not known: nobody has seen ") || !strings.Contains(text, discover) {
		t.Errorf("want it to name %s:\n%s", discover, text)
	}
	if _, errors := f.run(1, "host", "on", "h1"); !strings.Contains(errors, discover) {
		t.Errorf("want it to name %s: %s", discover, errors)
	}

	table, notes := f.run(0, "discover")
	if got := row(table, office); !strings.HasPrefix(got, "|"+office+"|arp|29|3|2|1|") {
		t.Errorf("found\n%s", table)
	}
	for _, want := range []string{
		`note: ` + office + `: ` + bmcMAC(2).String() + ` is at 2 addresses: 10.9.0.6, 10.9.0.16`,
		`note: host "h3": the BMC ` + bmcMAC(3).String() + ` did not answer in ` + office,
	} {
		if !strings.Contains(notes, want) {
			t.Errorf("want %s: %s", want, notes)
		}
	}
	wantHost("10.9.0.5", pxepilot.PowerOff)
	f.run(0, "host", "on", "h1")
	wantHost("10.9.0.5", pxepilot.PowerOn)
	if !machine.On() {
		t.Error("the machine is off")
	}

	// A restart forgets nothing, and asks nobody.
	f.server.Stop(t)
	f.lan.IP("neigh flush all")
	f.serve()
	wantHost("10.9.0.5", pxepilot.PowerOn)
	f.run(0, "host", "off", "h1")
	if machine.On() {
		t.Error("the machine is on")
	}

	// The BMC has another address, and the third one is there now.
	plug.Move("10.9.0.9")
	plug.Reach(near)
	f.bmc("10.9.0.9", machine)
	f.wire.Machine(bmcMAC(3), "10.9.0.7")
	table, notes = f.run(0, "discover")
	if got := row(table, office); !strings.Contains(got, "|3|0|") {
		t.Errorf("found\n%s%s", table, notes)
	}
	wantHost("10.9.0.9", pxepilot.PowerOff)
	f.run(0, "host", "on", "h1")
	if !machine.On() {
		t.Error("the machine is off")
	}
	f.server.Wait(t, bmcMAC(1).String()+" moved from 10.9.0.5 to 10.9.0.9")

	f.patch("/v1/discovery", "204")
	f.patch("/v1/refresh", "204")
	if table, notes = f.run(0, "host", "refresh", "-o", "name"); table != "h1\nh2\nh3\n" {
		t.Errorf("found %s%s", table, notes)
	}
}

// A subnet that is not on a link is named with what to do, and holds up no other.
func TestDiscoverElsewhere(t *testing.T) {
	f := newFinder(t)
	f.wire.Machine(bmcMAC(1), "10.9.0.5")
	f.hosts[1].Power = knownByMAC(2, "10.77.0.0/24")
	f.hosts = f.hosts[:2]
	describe(t, f.site, f.hosts...)
	f.serve()
	table, errors := f.run(1, "discover")
	if here, there := row(table, office), row(table, "10.77.0.0/24"); !strings.Contains(here, "|arp|") || there != "|10.77.0.0/24|||||||" {
		t.Errorf("found\n%s", table)
	}
	const want = "subnet 10.77.0.0/24 is not on-link"
	if !strings.Contains(errors, "error: "+want) || !strings.Contains(errors, "ipmi.hostname") {
		t.Errorf("want %q: %s", want, errors)
	}
	if message := f.patch("/v1/discovery", "409"); !strings.Contains(message, want) {
		t.Errorf("want %q: %s", want, message)
	}
	if table, _ := f.run(0, "host", "list"); !strings.Contains(row(table, "h1"), "|10.9.0.5|") {
		t.Errorf("h1 is not there:\n%s", table)
	}
}

// A server without any privilege finds BMCs, too, and says what its way lacks. A
// BMC that the kernel spoke with lately need not be looked for at all.
func TestDiscoverUnprivileged(t *testing.T) {
	f := newFinder(t)
	plug := f.wire.Machine(bmcMAC(1), "10.9.0.5")
	plug.Reach(near)
	machine := new(fakebmc.Machine)
	f.bmc("10.9.0.5", machine)
	f.wire.Machine(bmcMAC(2), "10.9.0.6")
	f.wire.Machine(bmcMAC(3), "10.9.0.7") // the others would be waited for
	f.lan.IP("neigh add 10.9.0.5 lladdr " + bmcMAC(1).String() + " dev " + f.wire.Near + " nud reachable")

	const unprivileged = 65534 // nobody
	lab.MakeDir(t, f.site.State)
	for _, dir := range []string{f.site.State, f.site.Root, filepath.Dir(f.site.Root)} {
		if err := os.Chown(dir, unprivileged, unprivileged); err != nil {
			t.Fatal(err)
		}
	}
	cmd := f.site.Command(t)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: unprivileged, Gid: unprivileged}}
	f.server = lab.Serving(t, f.lan.Start(t, cmd))

	f.run(0, "host", "on", "h1")
	if !machine.On() {
		t.Error("the machine is off")
	}
	table, notes := f.run(0, "discover")
	if got := row(table, office); !strings.HasPrefix(got, "|"+office+"|kernel|29|3|3|0|") {
		t.Errorf("found\n%s", table)
	}
	if !strings.Contains(notes, "CAP_NET_RAW") {
		t.Errorf("it does not say what would be better: %s", notes)
	}
	if table, _ := f.run(0, "host", "list"); !strings.Contains(row(table, "h2"), "|10.9.0.6|") {
		t.Errorf("h2 is not there:\n%s", table)
	}
	if info, err := os.Stat(filepath.Join(f.site.State, "neighbours.json")); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("what it found is at %v (%v)", info, err)
	}
}
