package e2e

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/e2e/lab"
	"github.com/pxe-pilot/pxe-pilot/internal/power/fakebmc"
)

// dead are ways in which a host has no BMC, and what is said of each.
var dead = []struct {
	name  string
	power func(*testing.T) string
	says  []string
}{
	{"silent", func(t *testing.T) string { return lab.IPMI(lab.Silence(t), "password: x") },
		[]string{"does not answer", "check its address"}},
	{"refused", func(*testing.T) string { return lab.IPMI(nobody, "password: x") },
		[]string{"connection refused", "check its address and port"}},
	{"password", func(t *testing.T) string {
		return lab.IPMI(lab.BMC(t, "another", new(fakebmc.Machine)).Addr(), "password: x")
	}, []string{"refuses the password", "check username and password"}},
	{"redfish", func(t *testing.T) string {
		l, err := net.Listen("tcp", "127.0.0.1:0") // and nobody ever accepts
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return fmt.Sprintf("redfish: {url: \"https://%s\", username: u, password: x, insecure: true}", l.Addr())
	}, []string{"does not answer in time", "check redfish.url"}},
	{"hangs", func(*testing.T) string { return "management: {adapter: hangs}" },
		[]string{"power_status did not end in time and was killed", "run it by hand"}},
	{"nothing", func(*testing.T) string { return "" },
		[]string{"nothing drives the power", "configuration file"}},
}

// nobody is an address at which nobody listens: that of the discard service of
// RFC 863.
var nobody = netip.MustParseAddrPort("127.0.0.1:9")

// hanging is an adapter whose program never ends.
const hanging = `host_management_adapters:
  - {name: hangs, power_status: {cmd: sleep 86399, pattern_on: a, pattern_off: b}}
`

// BMCs that are dead, in whatever way, hold up neither the list of the others, nor
// their reboots, nor the end of the server.
func TestDeadBMCs(t *testing.T) {
	site, machines := lab.NewSite(t), map[string]*fakebmc.Machine{}
	var hosts []lab.Host
	for i, h := range lab.Hosts(2*len(dead), 1) {
		if i < len(dead) {
			h.Name, h.Power = dead[i].name, dead[i].power(t)
		} else {
			m := new(fakebmc.Machine)
			m.Press(i%2 == 0)
			machines[h.Name], h.Power = m, lab.IPMI(lab.BMC(t, "alive", m).Addr(), "password: alive")
		}
		hosts = append(hosts, h)
	}
	describe(t, site, hosts...)
	site.Describe(t, site.Text(hosts...)+hanging)

	server := site.Serve(t)
	list := func(atMost time.Duration) {
		t.Helper()
		began := time.Now()
		got, err := server.Client.Hosts(t.Context())
		if took := time.Since(began); err != nil || took > atMost {
			t.Errorf("the list took %v, want %v at most (%v)", took, atMost, err)
		}
		for _, h := range got {
			want := "Unknown"
			switch m := machines[h.Name]; {
			case h.Name == "nothing":
				want = ""
			case m != nil && m.On():
				want = "On"
			case m != nil:
				want = "Off"
			}
			if h.PowerState != want {
				t.Errorf("%s is %q, want %q", h.Name, h.PowerState, want)
			}
		}
	}
	list(1500 * time.Millisecond) // which is a second, and something for a busy machine
	list(300 * time.Millisecond)
	if sleepers := processes(t, "sleep\x0086399"); len(sleepers) != 1 {
		t.Errorf("processes %v hang", sleepers)
	}
	began := time.Now()
	server.Stop(t)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the server took %v to stop", took)
	}
	if sleepers := processes(t, "sleep\x0086399"); len(sleepers) > 0 {
		t.Errorf("processes %v are left", sleepers)
	}

	server = site.Serve(t)
	change := apiv1.Change{Hosts: refs(hosts...)}
	for i := range change.Hosts {
		change.Hosts[i].Reboot = true
	}
	began = time.Now()
	outcome, err := server.Client.Deploy(t.Context(), "install", change)
	// Each operation has 10 s, and each host here has at most one that fails.
	if took := time.Since(began); err != nil || took > 20*time.Second {
		t.Fatalf("the deploy took %v (%v)", took, err)
	}
	for i, h := range outcome.Hosts {
		if i >= len(dead) {
			if h.Rebooted != "YES" || !machines[h.Name].On() || machines[h.Name].Booted().Device != "pxe" {
				t.Errorf("%+v; the machine booted %+v", h, machines[h.Name].Booted())
			}
			continue
		}
		for _, says := range append(dead[i].says, hosts[i].Name) {
			if h.Rebooted != "ERROR" || !strings.Contains(h.Problem, says) {
				t.Errorf("%+v: want it to say %q", h, says)
			}
		}
	}
	for _, h := range hosts {
		if got := lab.Read(t, site.Link(h.MACs[0])); got != contents["install"] {
			t.Errorf("%s boots %q", h.Name, got)
		}
	}
	table, errors := run(t, server, 1, "config", "deploy", "local", "silent", "h8", "--now")
	if row(table, "silent") != "|silent|local|ERROR|" || row(table, "h8") != "|h8|local|YES|" || !strings.Contains(errors, "does not answer") {
		t.Errorf("deployed\n%s%s", table, errors)
	}
}
