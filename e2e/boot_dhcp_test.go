package e2e

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/pxe-pilot/pxe-pilot/e2e/lab"
)

// dhcpServers are those that the page of the bootloaders has configurations for, by
// the names of their files.
var dhcpServers = map[string]lab.DHCPServer{
	"/etc/dnsmasq.d/netboot.conf": lab.DnsmasqDHCP,
	"/etc/kea/kea-dhcp4.conf":     lab.Kea,
	"/etc/dhcp/dhcpd.conf":        lab.Dhcpd,
}

// dhcpFile is the name that the first line of a block says.
func dhcpFile(b block) string {
	first, _, _ := strings.Cut(b.text, "\n")
	return "/" + strings.TrimLeft(first, "#/ ")
}

// places are what is elsewhere for everybody who reads the page.
var places = []string{"10.99.0.1", "br0", "/srv/tftp", "/var/lib/kea"}

// here puts those of a site in their place. Its network is as large as the page's.
func here(site *lab.BootSite, text string) string {
	var pairs []string
	for i, place := range []string{site.Address, site.Bridge(), site.Root, filepath.Dir(site.File)} {
		pairs = append(pairs, strings.TrimSuffix(places[i], ".1"), strings.TrimSuffix(place, ".1"))
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// byEachDHCPServer runs a test by each DHCP server that sections of the page
// configure, on a site of its own.
func byEachDHCPServer(t *testing.T, sections []string, test func(t *testing.T, site *lab.BootSite)) {
	t.Helper()
	tested := 0
	for _, b := range blocksOf(t, bootloaders) {
		server, configures := dhcpServers[dhcpFile(b)]
		if !configures || !slices.Contains(sections, b.section) {
			continue
		}
		tested++
		t.Run(path.Base(dhcpFile(b)), func(t *testing.T) {
			site := lab.NewUnservedSite(t)
			site.ServeDHCP(t, server, here(site, b.text))
			tftp := lab.TftpdSecure
			if strings.Contains(b.text, "enable-tftp") {
				tftp = lab.NoTFTP // but the DHCP server
			}
			site.ServeTFTP(t, tftp)
			test(t, site)
		})
	}
	if tested != len(dhcpServers) {
		t.Errorf("%s shows %d configurations in %q, want %d", bootloaders, tested, sections, len(dhcpServers))
	}
}

// Sections of the page that configure DHCP servers.
const (
	inFolders     = "Loaders in subfolders"
	besideAnother = "Beside a DHCP server that cannot be changed"
)

// everyLoader are the sections for sites that have all that the page knows.
var everyLoader = []string{"dnsmasq", "Kea", "ISC dhcpd"}

// Whatever a machine says of itself, each DHCP server offers it what the table of
// the page says.
func TestDHCPOffers(t *testing.T) {
	byEachDHCPServer(t, everyLoader, func(t *testing.T, site *lab.BootSite) {
		var askers []lab.Asker
		var wants []offerCheck
		for _, cells := range tableOf(t, bootloaders, "machine") {
			some, want := askersOf(t, cells), offerOf(t, site, cells[4])
			for _, a := range some {
				for _, a.Wants = range [][]uint8{pxeWants, {1, 3}} {
					a.MAC = fmt.Sprintf("%s:00:00:%02x", a.MAC, len(askers))
					askers, wants = append(askers, a), append(wants, want)
					a.MAC = a.MAC[:8]
				}
			}
		}
		if len(askers) < 20 {
			t.Errorf("the page has machines for %d requests only", len(askers))
		}
		for i, offer := range site.Offers(t, askers...) {
			if err := wants[i](askers[i], offer); err != nil {
				t.Errorf("%+v: %v", askers[i], err)
			}
		}
	})
}

// pxeWants are the options that firmware asks for (RFC 4578, and what OVMF asks for).
var pxeWants = []uint8{1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 22, 23, 28, 40, 41, 42, 43, 50, 51, 54, 58, 59, 60, 66, 67, 97,
	128, 129, 130, 131, 132, 133, 134, 135}

// askersOf are the machines of a row, whose MAC addresses have their first half only.
func askersOf(t *testing.T, cells []string) []lab.Asker {
	t.Helper()
	of := func(cell string) string { return strings.Join(quoted(cell), "") }
	a := lab.Asker{MAC: "52:54:00", Arch: -1, Class: of(cells[2]), User: of(cells[3])}
	if strings.HasPrefix(cells[0], "Raspberry") {
		var all []lab.Asker
		for _, maker := range []string{"b8:27:eb", "dc:a6:32", "e4:5f:01", "d8:3a:dd", "2c:cf:67"} {
			all = append(all, lab.Asker{MAC: maker, Arch: 0, Class: a.Class})
		}
		return all
	}
	if cells[1] == "" {
		return []lab.Asker{a}
	}
	var all []lab.Asker
	for _, number := range quoted(cells[1]) {
		arch, err := strconv.Atoi(number)
		if err != nil {
			t.Fatal(err)
		}
		a.Arch = arch
		all = append(all, a)
	}
	return all
}

// An offerCheck says what is wrong with an offer.
type offerCheck func(lab.Asker, *dhcpv4.DHCPv4) error

// offerOf checks offers by the last cell of a row.
func offerOf(t *testing.T, site *lab.BootSite, cell string) offerCheck {
	t.Helper()
	// A menu of PXE with one entry, as a Raspberry Pi was seen to boot by (Raspberry Pi
	// documentation, "Debugging network boot mode").
	menu, err := hex.DecodeString("0601030a04005058450914000011" + hex.EncodeToString([]byte("Raspberry Pi Boot")) + "ff")
	if err != nil {
		t.Fatal(err)
	}
	says := quoted(here(site, cell))
	return func(a lab.Asker, offer *dhcpv4.DHCPv4) error {
		file := offer.BootFileName
		if named := offer.BootFileNameOption(); named != "" {
			file = named
		}
		vendor := offer.Options.Get(dhcpv4.OptionVendorSpecificInformation)
		pi := says[0] == "Raspberry Pi Boot"
		switch {
		case !offer.ServerIPAddr.Equal(net.ParseIP(site.Address)):
			return fmt.Errorf("it is sent to %v", offer.ServerIPAddr)
		case pi && slices.Contains(a.Wants, 43) && !bytes.Equal(vendor, menu):
			return fmt.Errorf("option 43 is %x", vendor)
		case !pi && file != says[0]:
			return fmt.Errorf("it is offered %q", file)
		case !pi && bytes.Contains(vendor, []byte("Raspberry")):
			return fmt.Errorf("it is taken for a Raspberry Pi")
		case len(says) > 1 && offer.ClassIdentifier() != says[1]:
			return fmt.Errorf("option 60 is %q", offer.ClassIdentifier())
		case len(says) == 1 && offer.ClassIdentifier() == "HTTPClient":
			return fmt.Errorf("it is taken for an HTTP client")
		}
		return nil
	}
}

// Machines boot by each DHCP server, each by its own loader, and from another
// TFTP server where it is none itself: what was deployed, asking for what was
// explained.
func TestBootByEachDHCPServer(t *testing.T) {
	byEachDHCPServer(t, everyLoader, func(t *testing.T, site *lab.BootSite) {
		site.Put(t, ".", pxelinux...)
		site.Put(t, ".", ipxeEFI)
		site.GRUB(t, "x86_64-efi")
		site.Loaders = `[{name: pxelinux}, {name: grub}, {name: ipxe}, {name: uboot, file: uboot/any, link: "uboot/pxelinux.cfg/01-{mac}"}]`
		for loader, content := range map[string]func(string) string{
			"pxelinux": syslinuxBoots, "grub": grubBoots, "ipxe": ipxeBoots("/tftp/mark"), "uboot": syslinuxBoots,
		} {
			site.Configure(t, filepath.Join(loader, "A"), content("A"))
		}
		site.PutARM(t, "uboot")
		by := func(loader string) lab.Option { return lab.Facts("bootloaders: [" + loader + "]") }
		machines := []*lab.Machine{
			site.Machine(t, "bios", lab.PXE, by("pxelinux")),
			site.Machine(t, "ipxe", lab.BIOS, by("ipxe")),
			site.Machine(t, "uefi", lab.UEFI, by("grub")),
			site.Machine(t, "http", lab.UEFI, by("ipxe"), lab.OnlyHTTP),
			site.Machine(t, "board", lab.ARM, by("uboot")),
		}
		server := site.Serve(t)
		for _, m := range machines {
			lab.PxePilot(t, "-s", server.URL, "config", "deploy", "A", m.Name)
			bootsAsExplained(t, server, m, "A")
		}
	})
}

// Option 210 sends PXELINUX from its folder to the root, by each DHCP server.
func TestBootByOption210(t *testing.T) {
	byEachDHCPServer(t, []string{inFolders}, func(t *testing.T, site *lab.BootSite) {
		site.Put(t, "bios", pxelinux[0])
		site.Put(t, ".", pxelinux[1])
		site.Loaders = "[{name: pxelinux, file: bios/pxelinux.0, config_path: pxelinux.cfg/}]"
		site.Configure(t, "pxelinux/A", syslinuxBoots("A"))
		m := site.Machine(t, "h1", lab.BIOS)
		server := site.Serve(t)
		lab.PxePilot(t, "-s", server.URL, "config", "deploy", "A", m.Name)
		bootsAsExplained(t, server, m, "A")
	})
}

// Where another DHCP server says nothing of booting, dnsmasq adds that. The other
// one is a dnsmasq, too, for no other shares its port on one machine.
func TestBootBesideAnotherDHCPServer(t *testing.T) {
	blocks := blocksOf(t, bootloaders)
	i := slices.IndexFunc(blocks, func(b block) bool { return b.section == besideAnother })
	site := lab.NewUnservedSite(t)
	site.ServeDHCP(t, lab.DnsmasqDHCP, here(site, "port=0\ninterface=br0\nbind-interfaces\ndhcp-range=10.99.0.100,10.99.0.199\n"))
	site.ServeDHCP(t, lab.DnsmasqDHCP, here(site, blocks[i].text))
	site.ServeTFTP(t, lab.NoTFTP) // but dnsmasq
	site.Put(t, ".", pxelinux...)
	site.GRUB(t, "x86_64-efi")
	site.Loaders = "[{name: pxelinux}, {name: grub}]"
	site.Configure(t, "pxelinux/A", syslinuxBoots("A"))
	site.Configure(t, "grub/A", grubBoots("A"))
	machines := []*lab.Machine{
		site.Machine(t, "bios", lab.PXE, lab.Facts("bootloaders: [pxelinux]")),
		site.Machine(t, "uefi", lab.UEFI, lab.Facts("bootloaders: [grub]")),
	}
	server := site.Serve(t)
	lab.PxePilot(t, "-s", server.URL, "config", "deploy", "A", "bios", "uefi")
	for _, m := range machines {
		bootsAsExplained(t, server, m, "A")
	}
}
