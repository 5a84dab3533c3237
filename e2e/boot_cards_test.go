package e2e

import (
	"strings"
	"testing"

	"github.com/pxe-pilot/pxe-pilot/e2e/lab"
	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

// A host boots the same by each of its network cards, before a switch and after
// it.
func TestBootByEitherCard(t *testing.T) {
	t.Parallel()
	site := lab.NewBootSite(t, lab.TftpdSecure, "dhcp-boot=pxelinux.0")
	site.Put(t, ".", pxelinux...)
	configureBoots(t, site, "", syslinuxBoots, "pxelinux.cfg/default")
	m := site.Machine(t, "h1", lab.BIOS, lab.NICs(2))
	server := site.Serve(t)
	for _, c := range []string{"A", "B"} {
		deploy(t, server, c, m.Host)
		for card := range m.MACs {
			m.BootBy(card)
			bootsAsExplained(t, server, m, c)
		}
	}
}

// A machine that reboots all the time is switched whenever it asks for a file, and
// most often while it reads its configuration. Each boot is wholly the old one or the
// new one: the first line of each leads to its last, and many TFTP blocks are in
// between. None is ever the default.
func TestSwitchUnderReboots(t *testing.T) {
	t.Parallel()
	switches := 50
	if testenv.Soak() {
		switches = 1_000
	}
	site := lab.NewBootSite(t, lab.Dnsmasq, "dhcp-boot=pxelinux.0")
	site.Put(t, ".", pxelinux...)
	content := func(marker string) string {
		return "DEFAULT end-" + marker + "\n" + strings.Repeat("# "+marker+"\n", 4000) +
			"LABEL end-" + marker + "\n  KERNEL mark\n  APPEND marker=" + marker + " reboot\n"
	}
	configureBoots(t, site, "", content, "pxelinux.cfg/default")
	m := site.Machine(t, "h1", lab.BIOS)
	server := site.Serve(t)
	deploy(t, server, "A", m.Host)

	m.PowerOn(t)
	n := 0
	for n < switches {
		// Odd in sum for a boot, so that the next one differs.
		times := map[string]int{"pxelinux.0": 1, lab.Name(m.MACs[0]): 4}[m.NextRequest(t).Name()]
		for range times {
			deploy(t, server, [...]string{"B", "A"}[n%2], m.Host)
			n++
		}
	}
	boots := append(m.BootLines(t), m.BootLine(t))
	m.Off(t)
	counts := map[string]int{}
	for _, line := range boots {
		counts[strings.Fields(line)[1]]++
	}
	t.Logf("%d switches, boots: %v", n, counts)
	if counts["marker=A"] == 0 || counts["marker=B"] == 0 || len(counts) > 2 {
		t.Error("want boots of A and of B, and no others")
	}
	for _, r := range m.Requests(t) {
		if name := r.Name(); strings.HasPrefix(name, "pxelinux.cfg/") && name != lab.Name(m.MACs[0]) {
			t.Errorf("it asked for %s", name)
		}
	}
}
