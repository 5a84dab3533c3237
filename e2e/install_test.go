package e2e

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/e2e/lab"
)

// What the program was made for. A machine is told to install itself, through a
// BMC that others wrote; its installer is a real Linux, which tells the API that it
// is done; from then on the machine boots from its disk, however it is started.
func TestInstall(t *testing.T) {
	t.Run("at once", func(t *testing.T) {
		t.Parallel() // each uses one core
		install(t, false)
	})
	t.Run("killed between the steps", func(t *testing.T) {
		t.Parallel()
		install(t, true)
	})
}

// install installs a machine. Where the server is killed between the steps, it is
// not there while the machine boots, nor when the installer first asks for it.
func install(t *testing.T, killed bool) {
	site := lab.NewBootSite(t, lab.TftpdSecure, "dhcp-boot=pxelinux.0")
	site.Put(t, ".", pxelinux...)
	lab.LinuxInstaller(t, site.Root, []byte(lab.Read(t, filepath.Join(site.Root, "disk"))))
	server, _ := strings.CutPrefix(site.URL(), "http://")
	site.Configure(t, "installer", "DEFAULT it\nLABEL it\n  KERNEL vmlinuz\n  INITRD installer\n  APPEND marker=installer quiet server="+server+"\n")
	site.Configure(t, "local", "DEFAULT it\nLABEL it\n  LOCALBOOT 0\n")
	lab.Write(t, filepath.Join(site.Root, "pxelinux.cfg", "default"), syslinuxBoots("default"))
	m := site.Machine(t, "h1", lab.BIOS, lab.EmptyDisk, lab.Args("-m", "128"))
	bmc := site.BMC(t, m)

	s := site.Serve(t)
	pilot := func(args ...string) string { return lab.PxePilot(t, append([]string{"-s", s.URL}, args...)...) }
	kill := func() {
		if killed {
			s.Kill()
		}
	}
	revive := func() {
		if killed {
			s = site.Serve(t)
		}
	}
	var explained []apiv1.Explanation // before each boot
	boots := func(marker string, command ...string) {
		t.Helper()
		explained = append(explained, m.Explain(t, s))
		if len(command) > 0 {
			pilot(command...)
		}
		kill()
		m.Boots(t, marker)
	}

	want := `
+------+---------------+----------+
| NAME | CONFIGURATION | REBOOTED |
+------+---------------+----------+
| h1   | installer     | YES      |
+------+---------------+----------+
`
	if diff := cmp.Diff(want, "\n"+pilot("config", "deploy", "--now", "installer", "h1", "--then", "local")); diff != "" {
		t.Errorf("deploy (-want +got):\n%s", diff)
	}
	boots("installer")
	if killed {
		m.Says(t, "no answer")
	}
	revive()
	m.Says(t, "answered 204")
	boots("disk") // for it reboots by itself
	revive()
	boots("disk", "host", "reboot", "h1")
	revive()
	boots("disk", "host", "cycle", "h1")
	revive()

	if got := pilot("host", "list"); !strings.Contains(got, "| h1   | local         | "+m.MACs[0]+" |") || !strings.Contains(got, " | On ") {
		t.Errorf("in the end:\n%s", got)
	}
	if diff := cmp.Diff([]string{"api: deploy installer, done", "host h1: done local, done"}, history(t, s, "h1")); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	m.AsExplainedEach(t, explained...)
	orders := slices.CompactFunc(bmc.Orders(t), func(a, b string) bool { return a == b && a == "boot pxe" }) // harmless twice, where an answer is late
	if diff := cmp.Diff([]string{"boot pxe", "power 1", "reset 1", "power 0", "power 1"}, orders); diff != "" {
		t.Errorf("orders of the BMC (-want +got):\n%s", diff)
	}
}
