package e2e

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/pxe-pilot/pxe-pilot/e2e/lab"
)

// The files of loaders for UEFI, where Debian has them.
const (
	signedGRUB = "/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed"
	ipxeEFI    = "/usr/lib/ipxe/ipxe.efi"
)

var syslinuxEFI = []string{"/usr/lib/SYSLINUX.EFI/efi64/syslinux.efi", "/usr/lib/syslinux/modules/efi64/ldlinux.e64"}

// grubBoots is a configuration of GRUB on UEFI.
func grubBoots(marker string) string { return "chainloader /mark marker=" + marker + "\nboot\n" }

// The UUID of a machine, and what loaders ask for: its first three parts are the
// other way round there.
const uuid, uuidAsked = "11223344-5566-7788-99aa-bbccddeeff00", "44332211-6655-8877-99aa-bbccddeeff00"

// The DHCP server sends the machine's UUID back (RFC 4578, section 2.3), for which GRUB
// asks first then.
func TestBootGRUBOnUEFI(t *testing.T) {
	t.Parallel()
	site := lab.NewBootSite(t, lab.Dnsmasq, "dhcp-boot=boot/grub/x86_64-efi/core.efi",
		"dhcp-option-force=97,00:44:33:22:11:66:55:88:77:99:aa:bb:cc:dd:ee:ff:00")
	site.GRUB(t, "x86_64-efi")
	site.Loaders = "[{name: grub}]"
	configureBoots(t, site, "grub", grubBoots, "boot/grub/grub.cfg")
	m := site.Machine(t, "h1", lab.UEFI, lab.UUID(uuid), lab.Facts("uuid: "+uuid))
	bootsWhatIsDeployed(t, site.Serve(t), m, "default")
	asksForUUID(t, m, "boot/grub/grub.cfg-"+uuidAsked)
}

// asksForUUID wants a machine to have asked for a name. Explanations cannot be sure of
// that, and of two orders of a UUID they do not know which.
func asksForUUID(t *testing.T, m *lab.Machine, name string) {
	t.Helper()
	if !slices.ContainsFunc(m.Requests(t), func(r lab.Request) bool { return r.Name() == name }) {
		t.Errorf("%s did not ask for %s", m.Name, name)
	}
}

// GRUB as Debian signs it asks for the same file whatever the machine, in a folder
// that is built into it. There it gets the script that "host explain" shows.
func TestBootSignedGRUB(t *testing.T) {
	t.Parallel()
	site := lab.NewBootSite(t, lab.Dnsmasq, "dhcp-boot=grubnetx64.efi.signed")
	site.Put(t, ".", signedGRUB)
	for _, list := range []string{"command.lst", "crypto.lst", "fs.lst", "terminal.lst"} { // of its modules
		site.Put(t, "grub/x86_64-efi", filepath.Join("/usr/lib/grub/x86_64-efi", list))
	}
	site.Loaders = "[{name: grub-signed}]"
	configureBoots(t, site, "grub-signed", grubBoots, "grub/host/default")
	m := site.Machine(t, "h1", lab.UEFI)
	server := site.Serve(t)
	setup := m.Explain(t, server).Searches[0].Setup
	lab.Write(t, filepath.Join(site.Root, setup.Path), setup.Text)
	bootsWhatIsDeployed(t, server, m, "default")
}

// syslinux.efi takes real kernels only. What it looks for is in the folder that it is
// fetched from.
func TestBootSyslinuxOnUEFI(t *testing.T) {
	t.Parallel()
	site := lab.NewBootSite(t, lab.Dnsmasq, "dhcp-boot=efi64/syslinux.efi")
	site.Put(t, "efi64", syslinuxEFI...)
	lab.Linux(t, site.Root)
	site.Loaders = `[{name: syslinux, file: efi64/syslinux.efi, link: "efi64/pxelinux.cfg/01-{mac}"}]`
	boots := func(marker string) string {
		return "DEFAULT it\nLABEL it\n  KERNEL ::vmlinuz\n  INITRD ::initrd\n  APPEND console=ttyS0 quiet marker=" + marker + "\n"
	}
	configureBoots(t, site, "syslinux", boots, "unused")
	// Its default takes no kernel, for that takes long. The screen is on the serial line, too.
	lab.Write(t, filepath.Join(site.Root, "efi64/pxelinux.cfg/default"), "SAY [[BOOTED marker=default]]\n")
	m := site.Machine(t, "h1", lab.UEFI, lab.UUID(uuid), lab.Facts("uuid: "+uuid))
	bootsWhatIsDeployed(t, site.Serve(t), m, "default")
	asksForUUID(t, m, "efi64/pxelinux.cfg/"+uuidAsked)
}

// The firmware fetches iPXE, which asks DHCP once more and gets the script that
// "host explain" shows.
func TestBootIPXEOnUEFI(t *testing.T) {
	t.Parallel()
	site := lab.NewBootSite(t, lab.Dnsmasq, "dhcp-match=set:ipxe,175", "dhcp-boot=tag:!ipxe,ipxe.efi", "dhcp-boot=tag:ipxe,boot.ipxe")
	site.Put(t, ".", ipxeEFI)
	site.Loaders = "[{name: ipxe}]"
	m := site.Machine(t, "h1", lab.UEFI)
	configureBoots(t, site, "ipxe", ipxeBoots("/mark"), "ipxe/default.ipxe")
	server := site.Serve(t)
	lab.Write(t, filepath.Join(site.Root, "boot.ipxe"), m.Explain(t, server).Searches[0].Setup.Text)
	bootsWhatIsDeployed(t, server, m, "default")
}

// UEFI fetches iPXE by HTTP, which fetches the configuration, both from our server:
// there is no other. Where there is no link the machine boots from its disk.
func TestBootUEFIByHTTP(t *testing.T) {
	t.Parallel()
	site := lab.NewBootSite(t, lab.NoTFTP, "dhcp-match=set:http,option:client-arch,16", "dhcp-option-force=tag:http,60,HTTPClient",
		"dhcp-boot=tag:http,http://SERVER:3478/tftp/ipxe.efi", "dhcp-match=set:ipxe,175", "dhcp-boot=tag:ipxe,http://SERVER:3478/boot/${mac:hexhyp}")
	site.Put(t, ".", ipxeEFI)
	site.Loaders = "[{name: ipxe}]"
	m := site.Machine(t, "h1", lab.UEFI, lab.HTTPBoot)
	m.InstallEFI(t)
	configureBoots(t, site, "ipxe", ipxeBoots("/tftp/mark"), "unused")
	bootsWhatIsDeployed(t, site.Serve(t), m, "disk")
}

// What is deployed to both boots the same thing on a machine with BIOS and on one
// with UEFI, each by its own loader's variant.
func TestBootVariants(t *testing.T) {
	t.Parallel()
	site := lab.NewBootSite(t, lab.Dnsmasq, "dhcp-match=set:efi,option:client-arch,7",
		"dhcp-boot=tag:!efi,pxelinux.0", "dhcp-boot=tag:efi,boot/grub/x86_64-efi/core.efi")
	site.Put(t, ".", pxelinux...)
	site.GRUB(t, "x86_64-efi")
	site.Loaders = "[{name: pxelinux}, {name: grub}]"
	configureBoots(t, site, "pxelinux", syslinuxBoots, "pxelinux.cfg/default")
	configureBoots(t, site, "grub", grubBoots, "boot/grub/grub.cfg")
	machines := []*lab.Machine{
		site.Machine(t, "bios", lab.BIOS, lab.Facts("bootloaders: [pxelinux]")),
		site.Machine(t, "uefi", lab.UEFI, lab.Facts("bootloaders: [grub]")),
	}
	server := site.Serve(t)
	for _, marker := range []string{"A", "B"} {
		lab.PxePilot(t, "-s", server.URL, "config", "deploy", marker, "bios", "uefi")
		for _, m := range machines {
			bootsAsExplained(t, server, m, marker)
		}
	}
}
