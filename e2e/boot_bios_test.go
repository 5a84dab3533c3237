package e2e

import (
	"testing"

	"github.com/pxe-pilot/pxe-pilot/e2e/lab"
)

func TestBootPXELINUX(t *testing.T) {
	site := lab.NewBootSite(t, lab.Dnsmasq, "dhcp-boot=pxelinux.0")
	site.Put(t, ".", "/usr/lib/PXELINUX/pxelinux.0", "/usr/lib/syslinux/modules/bios/ldlinux.c32")
	for _, c := range []string{"A", "B"} {
		site.Configure(t, c, "DEFAULT x\nLABEL x\n  KERNEL mark\n  APPEND marker="+c+"\n")
	}
	m := site.Machine(t, "h1", lab.BIOS)
	server := site.Serve(t)
	lab.PxePilot(t, "-s", server.URL, "config", "deploy", "A", "h1")
	m.PowerOn(t)
	m.Boots(t, "A")
	for _, r := range m.Requests(t) {
		t.Log(r)
	}
}
