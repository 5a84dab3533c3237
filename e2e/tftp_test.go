package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/e2e/lab"
)

// contents of boot configurations, of several TFTP blocks each.
var contents = map[string]string{
	"local":   "DEFAULT local\nLABEL local\n  LOCALBOOT 0\n" + strings.Repeat("# the disk\n", 200),
	"install": "DEFAULT install\nLABEL install\n  KERNEL linux\n" + strings.Repeat("# the installer\n", 250),
}

// newSite is a site with hosts and the boot configurations of contents.
func newSite(t *testing.T, hosts ...lab.Host) *lab.Site {
	t.Helper()
	return describe(t, lab.NewSite(t), hosts...)
}

func describe(t *testing.T, s *lab.Site, hosts ...lab.Host) *lab.Site {
	t.Helper()
	for name, content := range contents {
		s.Configure(t, name, content)
	}
	s.Describe(t, s.Text(hosts...))
	return s
}

// refs names hosts in a request.
func refs(hosts ...lab.Host) []apiv1.HostRef {
	list := make([]apiv1.HostRef, len(hosts))
	for i, h := range hosts {
		list[i] = apiv1.HostRef{Name: h.Name}
	}
	return list
}

func deploy(t *testing.T, s *lab.Server, configuration string, hosts ...lab.Host) {
	t.Helper()
	if _, err := s.Client.Deploy(t.Context(), configuration, apiv1.Change{Hosts: refs(hosts...)}); err != nil {
		t.Fatalf("deploy %s: %v", configuration, err)
	}
}

// tftpServers are the TFTP servers that machines boot from.
var tftpServers = []struct {
	name  string
	start lab.TFTPServer
}{
	{"dnsmasq", lab.Dnsmasq},
	{"tftpd-hpa --secure", lab.TftpdSecure},
	{"tftpd-hpa", lab.Tftpd},
}

// A machine gets its configuration by each of its network cards, before a switch
// and after it.
func TestMachinesGetWhatWasDeployed(t *testing.T) {
	hosts := lab.Hosts(2, 3)
	for _, server := range tftpServers {
		t.Run(server.name, func(t *testing.T) {
			site := newSite(t, hosts...)
			pilot := site.Serve(t)
			machine := server.start(t, site.Root).Client(t)
			boots := func(h lab.Host, configuration string) {
				t.Helper()
				for _, mac := range h.MACs {
					switch got, err := machine.Get(lab.Name(mac)); {
					case configuration == "":
						if err == nil {
							t.Errorf("%s boots, though its host was not deployed", mac)
						}
					case err != nil || got != contents[configuration]:
						t.Errorf("%s got %d bytes (%v), want %s", mac, len(got), err, configuration)
					}
				}
			}
			boots(hosts[0], "")
			for _, c := range []string{"local", "install", "local"} {
				deploy(t, pilot, c, hosts[0])
				boots(hosts[0], c)
				boots(hosts[1], "")
			}
			deploy(t, pilot, "install", hosts...)
			boots(hosts[0], "install")
			boots(hosts[1], "install")
			if _, err := pilot.Client.Clear(t.Context(), apiv1.Change{Hosts: refs(hosts[1])}); err != nil {
				t.Fatal(err)
			}
			boots(hosts[0], "install")
			boots(hosts[1], "")
		})
	}
}

// Absolute links, as the original program makes them, are not found by a TFTP
// server that is locked into its root: there the machine silently boots
// "default". check tells that beforehand, and a repair mends it.
func TestAbsoluteLinks(t *testing.T) {
	host := lab.Hosts(1, 2)[0]
	for _, server := range tftpServers {
		t.Run(server.name, func(t *testing.T) {
			site := newSite(t, host)
			lab.Link(t, filepath.Join(site.Conf, "local"), site.Link(host.MACs[0]))
			lab.Link(t, site.Link(host.MACs[0]), site.Link(host.MACs[1]))
			machine := server.start(t, site.Root).Client(t)
			locked := strings.Contains(server.name, "--secure")
			for _, mac := range host.MACs {
				got, err := machine.Get(lab.Name(mac))
				if found := err == nil && got == contents["local"]; found == locked {
					t.Errorf("%s is found: %t (%v); the server is locked in: %t", mac, found, err, locked)
				}
			}

			stdout, _, status := lab.Output(t, lab.Program(), "check", "-c", site.File)
			if status != 0 {
				t.Errorf("check: exit status %d, though there are warnings only", status)
			}
			for _, want := range []string{
				"warning: " + site.Link(host.MACs[0]) + ": the link is absolute (",
				"warning: " + site.Link(host.MACs[1]) + ": the link is absolute (",
				"tftpd-hpa --secure",
				"pxe-pilot host repair",
			} {
				if !strings.Contains(stdout, want) {
					t.Errorf("check does not say %q:\n%s", want, stdout)
				}
			}

			pilot := site.Serve(t)
			lab.PxePilot(t, "--server", pilot.URL, "host", "repair", "--all")
			for i, want := range []string{"conf/local", filepath.Base(site.Link(host.MACs[0]))} {
				if got, err := os.Readlink(site.Link(host.MACs[i])); err != nil || got != want {
					t.Errorf("after the repair %s leads to %q (%v), want %q", host.MACs[i], got, err, want)
				}
			}
			for _, mac := range host.MACs {
				if got, err := machine.Get(lab.Name(mac)); err != nil || got != contents["local"] {
					t.Errorf("after the repair %s got %d bytes (%v)", mac, len(got), err)
				}
			}
			if stdout := lab.PxePilot(t, "check", "-c", site.File); !strings.HasSuffix(stdout, "no errors, no warnings\n") {
				t.Errorf("after the repair check says:\n%s", stdout)
			}
		})
	}
}

// The links that tie in to nothing are served by no server, and check finds them.
func TestDanglingLinks(t *testing.T) {
	host := lab.Hosts(1, 1)[0]
	site := newSite(t, host)
	lab.Link(t, "conf/gone", site.Link(host.MACs[0]))
	for _, server := range tftpServers {
		if got, err := server.start(t, site.Root).Client(t).Get(lab.Name(host.MACs[0])); err == nil {
			t.Errorf("%s serves %q", server.name, got)
		}
	}
	stdout, _, status := lab.Output(t, lab.Program(), "check", "-c", site.File)
	if want := "error: " + site.Link(host.MACs[0]) + ": the link leads to nothing"; status != 1 || !strings.Contains(stdout, want) {
		t.Errorf("check: exit status %d, want 1 and %q:\n%s", status, want, stdout)
	}
	if !slices.Contains(strings.Split(stdout, "\n"), site.File+": 1 error, no warnings") {
		t.Errorf("check counts otherwise:\n%s", stdout)
	}
}
