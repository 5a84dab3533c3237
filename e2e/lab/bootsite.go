package lab

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

// A BootSite is a site whose machines really boot: with a network of its own, a
// DHCP server, and a TFTP server of somebody else's.
type BootSite struct {
	*Site
	Address string // of the server's machine, on which all servers of the site are

	tftp     *TFTP
	dhcp     *Process
	bridge   netlink.Link
	number   int
	capture  *capture
	machines []*Machine
	hosts    []*Host // those of the machines, and others
}

// bootSites counts them: each has a bridge and a subnet of its own in the network
// of the run, and so several may be there at once.
var bootSites atomic.Int32

// NewBootSite makes a site without machines and loaders. offer is what DHCP says
// to machines, in lines of dnsmasq's, such as "dhcp-boot=pxelinux.0"; SERVER in
// them is the address of the server's machine.
func NewBootSite(t testing.TB, server TFTPServer, offer ...string) *BootSite {
	t.Helper()
	s := newBootSite(t)
	MakeDir(t, filepath.Join(s.dir(), "dhcp"))
	s.tftp = server(t, s.Root, s.Address)
	s.dhcp = Start(t, "dnsmasq", "--keep-in-foreground", "--pid-file=", "--conf-file="+s.dhcpFile(t, offer))
	s.dhcp.Wait(t, "DHCP, IP range")
	return s
}

// newBootSite makes a site that nobody serves yet.
func newBootSite(t testing.TB) *BootSite {
	t.Helper()
	NeedNamespaces(t)
	testenv.Need(t, "dnsmasq", "nasm")
	if !Exists("/dev/net/tun") {
		testenv.Lack(t, "needs /dev/net/tun, which the kernel's module tun makes")
	}
	n := int(bootSites.Add(1))
	s := &BootSite{Site: NewSite(t), number: n, Address: fmt.Sprintf("10.77.%d.1", n)}
	s.listen = "  address: " + s.Address + "\n"
	s.connect(t)
	s.capture = newCapture(t, s.bridge)
	s.putSystems(t)
	return s
}

func (s *BootSite) dir() string { return filepath.Dir(s.File) }

// URL is what loaders are told to ask the server of the site.
func (s *BootSite) URL() string { return "http://" + net.JoinHostPort(s.Address, "3478") }

// connect makes the bridge, which is where the machines' network cards are.
func (s *BootSite) connect(t testing.TB) {
	t.Helper()
	s.bridge = &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: fmt.Sprintf("boot%d", s.number)}}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("the network of the site: %v", err)
		}
	}
	must(netlink.LinkAdd(s.bridge))
	t.Cleanup(func() {
		if err := netlink.LinkDel(s.bridge); err != nil {
			t.Error(err)
		}
	})
	for _, text := range []string{s.Address + "/24", s.prefix6() + "1/64"} {
		a, err := netlink.ParseAddr(text)
		must(err)
		a.Flags = 0x02 // IFA_F_NODAD: usable at once, for there is nobody else (rtnetlink(7))
		must(netlink.AddrAdd(s.bridge, a))
	}
	must(netlink.LinkSetUp(s.bridge))
}

func (s *BootSite) prefix6() string { return fmt.Sprintf("fd77:%x::", s.number) }

// dhcpFile writes the configuration of the DHCP server.
func (s *BootSite) dhcpFile(t testing.TB, offer []string) string {
	t.Helper()
	net4 := strings.TrimSuffix(s.Address, "1")
	file := filepath.Join(s.dir(), "dnsmasq.conf")
	Write(t, file, strings.ReplaceAll(strings.Join(append([]string{
		"port=0",
		"interface=" + s.bridge.Attrs().Name,
		"bind-interfaces",
		"no-ping",
		"log-facility=-",
		"log-dhcp",
		"dhcp-authoritative",
		// Else it would wait for the disk each time before it answers, for a second
		// where that is busy. UEFI gives up then, whose time passes faster than ours.
		"leasefile-ro",
		"dhcp-hostsdir=" + filepath.Join(s.dir(), "dhcp"),
		"dhcp-range=" + net4 + "200," + net4 + "250,1h",
		// iPXE would wait for a proxy DHCP server, and for an IPv6 router.
		"dhcp-option=encap:175,176,1b",
		"dhcp-range=" + s.prefix6() + ",ra-only",
		"enable-ra",
	}, offer...), "\n")+"\n", "SERVER", s.Address))
	return file
}

// reserve has the DHCP server know a machine, by all of its network cards, and the
// site's file its address.
func (s *BootSite) reserve(t testing.TB, m *Machine) {
	t.Helper()
	if s.dhcp == nil { // one that a document shows, which knows no machines
		return
	}
	m.IP = fmt.Sprintf("10.77.%d.%d", s.number, 10*len(s.machines))
	m.Facts = strings.TrimPrefix(m.Facts+", ip: "+m.IP, ", ")
	file := filepath.Join(s.dir(), "dhcp", m.Name)
	mark := s.dhcp.Mark()
	Write(t, file+"~", strings.Join(m.MACs, ",")+","+m.IP+"\n") // a name that dnsmasq does not read
	if err := os.Rename(file+"~", file); err != nil {
		t.Fatal(err)
	}
	s.dhcp.WaitAfter(t, mark, "read "+file)
}

// Put copies files into the TFTP root, as a person who installs a boot loader.
func (s *BootSite) Put(t testing.TB, dir string, files ...string) {
	t.Helper()
	for _, f := range files {
		if !Exists(f) {
			testenv.Lack(t, "needs "+f+" (scripts/packages.sh installs what the tests need)")
		}
		Write(t, filepath.Join(s.Root, dir, filepath.Base(f)), Read(t, f))
	}
}

// GRUB puts GRUB into the root, as its grub-mknetdir does for a platform.
func (s *BootSite) GRUB(t testing.TB, platform string) {
	t.Helper()
	testenv.Need(t, "grub-mknetdir")
	_, stderr, status := Output(t, "grub-mknetdir", "--net-directory="+s.Root, "--subdir=boot/grub", "--directory=/usr/lib/grub/"+platform,
		"--locales=", "--themes=", "--fonts=")
	if status != 0 {
		t.Fatalf("grub-mknetdir: exit status %d\n%s", status, stderr)
	}
}

// Serve starts a server of ours on the site, which knows its hosts.
func (s *BootSite) Serve(t testing.TB) *Server {
	t.Helper()
	hosts := make([]Host, len(s.hosts))
	for i, h := range s.hosts {
		hosts[i] = *h
	}
	s.Describe(t, s.Text(hosts...))
	return s.Site.Serve(t)
}
