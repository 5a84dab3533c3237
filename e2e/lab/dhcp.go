package lab

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
	"github.com/insomniacslk/dhcp/iana"
	"github.com/vishvananda/netlink"

	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

// A DHCPServer starts one that others wrote, by a configuration file as a person
// writes it. It listens on a network card, where the file does not say which.
type DHCPServer func(t testing.TB, card, file string) *Process

// DnsmasqDHCP is dnsmasq, which may serve TFTP as well. It waits neither for whether
// an address is in use, nor for the disk to have its leases: that would be too much
// for UEFI machines, whose time passes faster than ours.
func DnsmasqDHCP(t testing.TB, _, file string) *Process {
	t.Helper()
	testenv.Need(t, "dnsmasq")
	p := Start(t, "dnsmasq", "--keep-in-foreground", "--log-facility=-", "--pid-file=", "--no-ping",
		"--leasefile-ro", "--conf-file="+file)
	p.Wait(t, "dnsmasq-dhcp[")
	return p
}

// Kea is ISC's newer DHCP server.
func Kea(t testing.TB, _, file string) *Process {
	t.Helper()
	testenv.Need(t, "kea-dhcp4")
	dir := filepath.Dir(file)
	cmd := exec.CommandContext(t.Context(), "kea-dhcp4", "-c", file)
	cmd.Env = append(os.Environ(), "KEA_PIDFILE_DIR="+dir, "KEA_LOCKFILE_DIR="+dir)
	p := StartCommand(t, cmd)
	p.Wait(t, "DHCP4_STARTED")
	return p
}

// Dhcpd is ISC's older DHCP server.
func Dhcpd(t testing.TB, card, file string) *Process {
	t.Helper()
	testenv.Need(t, "dhcpd")
	dir := file + ".leases"
	Mount(t, "tmpfs", dir, "") // or it would wait for the disk each time
	leases := filepath.Join(dir, "leases")
	Write(t, leases, "")
	p := Start(t, "dhcpd", "-f", "-d", "-4", "--no-pid", "-cf", file, "-lf", leases, card)
	p.Wait(t, "Server starting service")
	return p
}

// NewUnservedSite makes a site without machines and loaders, whose DHCP and TFTP
// servers come later. Its machines have no certain address.
func NewUnservedSite(t testing.TB) *BootSite {
	t.Helper()
	s := newBootSite(t)
	// Else iPXE would wait for an IPv6 router.
	Start(t, "dnsmasq", "--conf-file=/dev/null", "--keep-in-foreground", "--log-facility=-", "--pid-file=", "--port=0",
		"--interface="+s.Bridge(), "--bind-interfaces", "--enable-ra", "--dhcp-range="+s.prefix6()+",ra-only")
	return s
}

// Bridge is the network card of the server's machine, in the site's network.
func (s *BootSite) Bridge() string { return s.bridge.Attrs().Name }

// ServeDHCP starts a DHCP server by the content of its configuration file.
func (s *BootSite) ServeDHCP(t testing.TB, server DHCPServer, configuration string) *Process {
	t.Helper()
	file := filepath.Join(Dir(t), "dhcp.conf")
	Write(t, file, configuration)
	return server(t, s.Bridge(), file)
}

// ServeTFTP starts a TFTP server of the site's root.
func (s *BootSite) ServeTFTP(t testing.TB, server TFTPServer) {
	t.Helper()
	s.tftp = server(t, s.Root, s.Address)
}

// An Asker is what asks for an address before it boots.
type Asker struct {
	MAC   string
	Arch  int     // option 93, by the numbers of IANA; -1 for none
	Class string  // option 60
	User  string  // option 77, as iPXE sends it
	Wants []uint8 // option 55: the options that it asks for
}

// Offers asks the site's DHCP server for addresses, for all at once: a server may
// look for a second whether an address is in use. The answers are in the order of
// who asked.
func (s *BootSite) Offers(t testing.TB, askers ...Asker) []*dhcpv4.DHCPv4 {
	t.Helper()
	card := s.cable(t)
	offers, errs := make([]*dhcpv4.DHCPv4, len(askers)), make([]error, len(askers))
	var all sync.WaitGroup
	for i, a := range askers {
		all.Go(func() { offers[i], errs[i] = offer(t, card, a) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return offers
}

func offer(t testing.TB, card string, a Asker) (*dhcpv4.DHCPv4, error) {
	mac, err := net.ParseMAC(a.MAC)
	if err != nil {
		return nil, err
	}
	c, err := nclient4.New(card, nclient4.WithHWAddr(mac), nclient4.WithTimeout(Patience/15), nclient4.WithRetry(14))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	asks := []dhcpv4.Modifier{dhcpv4.WithBroadcast(true)}
	if a.Arch >= 0 {
		asks = append(asks, dhcpv4.WithOption(dhcpv4.OptClientArch(iana.Arch(a.Arch))))
	}
	if a.Class != "" {
		asks = append(asks, dhcpv4.WithOption(dhcpv4.OptClassIdentifier(a.Class)))
	}
	if a.User != "" {
		asks = append(asks, dhcpv4.WithGeneric(dhcpv4.OptionUserClassInformation, []byte(a.User)))
	}
	asks = append(asks, dhcpv4.WithGeneric(dhcpv4.OptionParameterRequestList, a.Wants))
	return c.DiscoverOffer(t.Context(), asks...)
}

// cable makes a network card in the site's network, which answers nobody.
func (s *BootSite) cable(t testing.TB) string {
	t.Helper()
	name := "ask" + strings.TrimPrefix(s.Bridge(), "boot")
	link := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name + "-far", MasterIndex: s.bridge.Attrs().Index}, PeerName: name}
	if err := netlink.LinkAdd(link); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := netlink.LinkDel(link); err != nil {
			t.Error(err)
		}
	})
	// It is in the same network namespace as the bridge, and would answer for the
	// addresses of that (ip-sysctl(7), arp_ignore).
	if err := os.WriteFile("/proc/sys/net/ipv4/conf/"+name+"/arp_ignore", []byte("8"), 0); err != nil {
		t.Fatal(err)
	}
	for _, end := range []string{name, name + "-far"} {
		l, err := netlink.LinkByName(end)
		if err == nil {
			err = netlink.LinkSetUp(l)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return name
}

// PXE is a PC with BIOS whose network card has a ROM for PXE and no more. QEMU's
// cards have iPXE, which tells DHCP that it is iPXE. Here it comes from elsewhere,
// and is told to say otherwise.
func PXE(t testing.TB, m *Machine) []string {
	const ipxe = "/usr/lib/ipxe/ipxe.lkrn"
	if !Exists(ipxe) {
		testenv.Lack(t, "needs "+ipxe+" (scripts/packages.sh installs what the tests need)")
	}
	return append(BIOS(t, m), "-global", "virtio-net-pci.romfile=", "-kernel", ipxe, "-append", "set user-class PXE && autoboot net0")
}

// OnlyHTTP has the firmware of UEFI machines boot over HTTP at once. By itself it
// does so where PXE found nothing.
func OnlyHTTP(m *Machine) { Args("-fw_cfg", "name=opt/org.tianocore/IPv4PXESupport,string=n")(m) }
