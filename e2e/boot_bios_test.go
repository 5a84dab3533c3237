package e2e

import (
	"path/filepath"
	"testing"

	"github.com/pxe-pilot/pxe-pilot/e2e/lab"
)

// pxelinux are the files of PXELINUX, where Debian has them.
var pxelinux = []string{"/usr/lib/PXELINUX/pxelinux.0", "/usr/lib/syslinux/modules/bios/ldlinux.c32"}

// syslinuxBoots is a configuration of PXELINUX, SYSLINUX and U-Boot.
func syslinuxBoots(marker string) string {
	return "DEFAULT it\nLABEL it\n  KERNEL mark\n  APPEND marker=" + marker + "\n"
}

// bootServers are the TFTP servers that the machines of the lab boot from.
var bootServers = []struct {
	name  string
	start lab.TFTPServer
}{
	{"dnsmasq", lab.Dnsmasq},
	{"tftpd-hpa --secure", lab.TftpdSecure},
	{"atftpd", lab.Atftpd},
}

func TestBootPXELINUX(t *testing.T) {
	t.Parallel()
	for _, server := range bootServers {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			site := lab.NewBootSite(t, server.start, "dhcp-boot=pxelinux.0")
			site.Put(t, ".", pxelinux...)
			configureBoots(t, site, "", syslinuxBoots, "pxelinux.cfg/default")
			m := site.Machine(t, "h1", lab.BIOS)
			bootsWhatIsDeployed(t, site.Serve(t), m, "default")
		})
	}
}

// A loader that is fetched from a folder looks there for its configurations, and
// for the kernels that they name; "::" stands for the root.
func TestBootPXELINUXInFolder(t *testing.T) {
	t.Parallel()
	site := lab.NewBootSite(t, lab.Dnsmasq, "dhcp-boot=bios/pxelinux.0")
	site.Put(t, "bios", pxelinux...)
	site.Loaders = `[{name: pxelinux, file: bios/pxelinux.0, link: "bios/pxelinux.cfg/01-{mac}"}]`
	boots := func(marker string) string {
		return "DEFAULT it\nLABEL it\n  KERNEL ::mark\n  APPEND marker=" + marker + "\n"
	}
	configureBoots(t, site, "pxelinux", boots, "bios/pxelinux.cfg/default")
	m := site.Machine(t, "h1", lab.BIOS)
	bootsWhatIsDeployed(t, site.Serve(t), m, "default")
}

func TestBootGRUBOnBIOS(t *testing.T) {
	t.Parallel()
	site := lab.NewBootSite(t, lab.Dnsmasq, "dhcp-boot=boot/grub/i386-pc/core.0")
	site.GRUB(t, "i386-pc")
	site.Loaders = "[{name: grub}]"
	boots := func(marker string) string { return "linux16 /mark marker=" + marker + "\nboot\n" }
	configureBoots(t, site, "grub", boots, "boot/grub/grub.cfg")
	m := site.Machine(t, "h1", lab.BIOS)
	bootsWhatIsDeployed(t, site.Serve(t), m, "default")
}

// ipxeBoots is a configuration of iPXE, by the place of the marker kernel.
func ipxeBoots(kernel string) func(marker string) string {
	return func(marker string) string { return "#!ipxe\nchain " + kernel + " marker=" + marker + "\n" }
}

// The machine's network card has iPXE in its ROM, which gets the script that
// "host explain" shows.
func TestBootIPXE(t *testing.T) {
	t.Parallel()
	site := lab.NewBootSite(t, lab.Dnsmasq, "dhcp-boot=boot.ipxe")
	site.Loaders = "[{name: ipxe}]"
	m := site.Machine(t, "h1", lab.BIOS)
	configureBoots(t, site, "ipxe", ipxeBoots("/mark"), "ipxe/default.ipxe")
	server := site.Serve(t)
	lab.Write(t, filepath.Join(site.Root, "boot.ipxe"), m.Explain(t, server).Searches[0].Setup.Text)
	bootsWhatIsDeployed(t, server, m, "default")
}

// The same by HTTP, from our server and without a script: where there is no link
// iPXE is told so, and the machine boots from what comes next, its disk.
func TestBootIPXEByHTTP(t *testing.T) {
	t.Parallel()
	site := lab.NewBootSite(t, lab.Dnsmasq, "dhcp-boot=http://SERVER:3478/boot/${mac:hexhyp}")
	site.Loaders = "[{name: ipxe}]"
	m := site.Machine(t, "h1", lab.BIOS, lab.EmptyDisk)
	m.Install(t)
	configureBoots(t, site, "ipxe", ipxeBoots("/tftp/mark"), "unused")
	bootsWhatIsDeployed(t, site.Serve(t), m, "disk")
}

// U-Boot is told to boot by what "host explain" shows.
func TestBootUBoot(t *testing.T) {
	t.Parallel()
	site := lab.NewBootSite(t, lab.Dnsmasq)
	site.PutARM(t, ".")
	site.Loaders = "[{name: uboot}]"
	configureBoots(t, site, "uboot", syslinuxBoots, "pxelinux.cfg/default")
	m := site.Machine(t, "h1", lab.ARM)
	server := site.Serve(t)
	m.Typed = m.Explain(t, server).Searches[0].Setup.Text
	bootsWhatIsDeployed(t, server, m, "default")
}
