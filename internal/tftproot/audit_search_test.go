package tftproot

import (
	"testing"

	"github.com/pxe-pilot/pxe-pilot"
)

// What makes machines boot something else than their links say, without any link
// being wrong.
func TestAuditOfSearches(t *testing.T) {
	const first = "it comes before the links of MAC addresses"
	for _, tt := range []struct {
		name    string
		loaders []pxepilot.Bootloader // their configurations are in conf/
		setup   func(s *site)
		want    []string
	}{
		{"a host's UUID", nil, func(s *site) { s.write("pxelinux.cfg/"+swapped1, "x") }, []string{
			`error: pxelinux.cfg/` + swapped1 + `: host "h1": ` + first + `, and its machine may boot what it says; remove it`,
		}},
		{"a host's UUID in the other byte order", nil, func(s *site) { s.symlink("conf/b", "pxelinux.cfg/"+uuid1) }, []string{
			`error: pxelinux.cfg/` + uuid1 + `: host "h1": ` + first + `, and its machine may boot what it says; remove it`,
		}},
		{"a host's UUID that agrees", nil, func(s *site) { s.symlink("conf/a", "pxelinux.cfg/"+swapped1) }, []string{
			`warning: pxelinux.cfg/` + swapped1 + `: host "h1": ` + first + `, so that no deploy changes what its machine boots; remove it`,
		}},
		{"a UUID of a host without links", nil, func(s *site) { s.clear("h1"); s.write("pxelinux.cfg/"+swapped1, "x") }, []string{
			`warning: pxelinux.cfg/` + swapped1 + `: host "h1": ` + first + `, so that no deploy changes what its machine boots; remove it`,
		}},
		{"a UUID that nobody knows", nil, func(s *site) { s.write("pxelinux.cfg/"+uuid2, "x") }, []string{
			`warning: pxelinux.cfg/` + uuid2 + `: ` + first + `, and is no host's; add uuid to the host that it is for, or remove it`,
		}},
		{"a UUID in upper case", nil, func(s *site) { s.write("pxelinux.cfg/44332211-6655-8877-99AA-BBCCDDEEFF00", "x") }, []string{
			`warning: pxelinux.cfg/44332211-6655-8877-99AA-BBCCDDEEFF00: the name is in upper case, and no loader asks for it so`,
		}},
		{"a UUID that dangles", nil, func(s *site) { s.symlink("nothing", "pxelinux.cfg/"+swapped1) }, []string{
			`error: pxelinux.cfg/` + swapped1 + `: the link leads to nothing ("nothing"): machines get the loader's default`,
		}},
		{"a UUID that is absolute", nil, func(s *site) { s.symlink(s.path+"/pxelinux.cfg/conf/b", "pxelinux.cfg/"+swapped1) }, []string{
			`error: pxelinux.cfg/` + swapped1 + `: host "h1": ` + first + `, and its machine may boot what it says; remove it`,
			`warning: pxelinux.cfg/` + swapped1 + `: the link is absolute ("ROOT/pxelinux.cfg/conf/b"); a TFTP server in a chroot (tftpd-hpa --secure, Debian's default) finds nothing there`,
		}},
		{"GRUB and a UUID", []pxepilot.Bootloader{{Name: "grub"}}, func(s *site) { s.write("boot/grub/grub.cfg-"+swapped1, "x") }, []string{
			`warning: boot/grub/grub.cfg-` + swapped1 + `: ` + first + ` if the DHCP server sends option 97, the UUID, back to the machine; remove it`,
		}},
		{"iPXE and a UUID", []pxepilot.Bootloader{{Name: "ipxe"}}, func(s *site) { s.write("ipxe/"+swapped1, "x") }, nil},
		{"a link that is named after the UUID", []pxepilot.Bootloader{{Name: "pxelinux", Links: []string{"pxelinux.cfg/{uuid}"}}}, func(s *site) {}, nil},
		{"addresses and defaults", nil, func(s *site) {
			s.write("pxelinux.cfg/0A6300B9", "x")
			s.write("pxelinux.cfg/0", "x")
			s.write("pxelinux.cfg/default", "x")
		}, nil},

		{"another folder", []pxepilot.Bootloader{{Name: "pxelinux", File: "bios/pxelinux.0"}}, func(s *site) {}, []string{
			`error: pxelinux.cfg: bootloader pxelinux looks in bios/pxelinux.cfg, and its links are in pxelinux.cfg, where it never asks for them; set its link: "bios/pxelinux.cfg/01-{mac}", ` +
				`or have DHCP option 210 ("/") and set its config_path: pxelinux.cfg/, and deploy again`,
		}},
		{"another folder that is the same", []pxepilot.Bootloader{{Name: "pxelinux", File: "bios/pxelinux.0"}}, func(s *site) { s.symlink("../pxelinux.cfg", "bios/pxelinux.cfg") }, nil},
		{"another folder of a loader that nobody has", []pxepilot.Bootloader{{Name: "ipxe"}, {Name: "pxelinux", File: "bios/pxelinux.0"}}, func(s *site) {
			s.clear("h1")
			s.inv = inventory(s.t, "h1 on:ipxe "+mac1)
		}, nil},
		{"signed GRUB without its script", []pxepilot.Bootloader{{Name: "grub-signed"}}, func(s *site) {}, []string{
			`error: grub/grub.cfg: bootloader grub-signed asks for links such as grub/host/01-{mac} only if grub/grub.cfg makes it, which is not there; 'pxe-pilot host explain' prints what belongs there`,
		}},
		{"signed GRUB with its script", []pxepilot.Bootloader{{Name: "grub-signed"}}, func(s *site) { s.stub() }, nil},
		{"iPXE without its script", []pxepilot.Bootloader{{Name: "ipxe", File: "boot.ipxe"}}, func(s *site) { s.write("boot.ipxe", "#!ipxe\nsanboot x\n") }, []string{
			`error: boot.ipxe: bootloader ipxe asks for links such as ipxe/01-{mac}.ipxe only if boot.ipxe makes it, which does not; 'pxe-pilot host explain' prints what belongs there`,
		}},
		{"empty configurations", []pxepilot.Bootloader{{Name: "pxelinux"}, {Name: "grub"}}, func(s *site) {
			s.write("conf/pxelinux/b", "")
			s.write("conf/grub/b", "")
		}, []string{
			`error: conf/pxelinux/b: it is empty, which bootloader pxelinux takes for a file that is not there: machines get the loader's default`,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := Options{Path: openRoot(t), Bootloaders: tt.loaders}
			if tt.loaders != nil {
				o.Directory = o.Path + "/conf"
			}
			s := newSite(t, o, []string{"a", "b"}, "h1 uuid:"+uuid1+" "+mac1)
			s.deploy("a", "h1")
			tt.setup(s)
			before := s.tree()
			diff(t, tt.want, s.findings())
			diff(t, before, s.tree())
		})
	}
}
