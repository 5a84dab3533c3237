package lab

import (
	"fmt"
	"path"
	"strings"
	"testing"

	"github.com/pxe-pilot/pxe-pilot/apiv1"
)

// A Pi stands in for a Raspberry Pi 4, of which there is no emulation that boots
// from a network: it asks a TFTP server for what the bootloader of a real one asks
// for, in its order, and boots nothing.
//
// Everything is in a directory that is named like the serial number, unless neither
// start4.elf nor start.elf is there; then everything is in the root (Raspberry Pi
// documentation, "Raspberry Pi boot EEPROM", TFTP_PREFIX). The order is that of a
// real one as it was captured (github.com/raspberrypi/rpi-eeprom, issue 74).
type Pi struct {
	Host
	site   *BootSite
	server *Client
	serial string
	asked  []Request // since it was powered on last
}

// NewPi makes a Pi, which is a host of the site.
func (s *BootSite) NewPi(t testing.TB, name, serial string) *Pi {
	t.Helper()
	mac := fmt.Sprintf("dc:a6:32:00:00:%02x", len(s.hosts)+1)
	p := &Pi{Host: Host{Name: name, MACs: []string{mac}, Facts: "serial: " + serial}, site: s, server: s.tftp.Client(t), serial: serial}
	s.hosts = append(s.hosts, &p.Host)
	return p
}

// PowerOn turns the Pi on, and returns the command line that its kernel gets.
func (p *Pi) PowerOn(t testing.TB) string {
	t.Helper()
	p.asked = nil
	dir := p.serial
	if !p.first(dir, "start4.elf", "start.elf").found {
		dir = ""
	}
	p.first(dir, "config.txt")
	for _, name := range rescue {
		if p.first(dir, name).found {
			t.Fatalf("the Pi would boot %s", path.Join(dir, name))
		}
	}
	if !p.first(dir, "start4.elf", "start.elf").found {
		t.Fatalf("the Pi finds no firmware. It asked for:\n%s", list(p.asked))
	}
	p.first(dir, "fixup4.dat")
	config := p.first(dir, "config.txt").text
	kernel, line := "kernel8.img", "cmdline.txt"
	for setting := range strings.Lines(config) {
		switch name, value, _ := strings.Cut(strings.TrimSpace(setting), "="); name {
		case "kernel":
			kernel = value
		case "cmdline":
			line = value
		}
	}
	text := p.first(dir, line).text
	if !p.first(dir, kernel).found {
		t.Fatalf("the Pi finds no kernel. It asked for:\n%s", list(p.asked))
	}
	return strings.TrimSpace(text)
}

// rescue are files that a Pi asks for in case somebody wants it to mend itself.
var rescue = []string{"recover4.elf", "recovery.elf"}

// AsExplained is that of a Machine.
func (p *Pi) AsExplained(t testing.TB, e apiv1.Explanation) {
	t.Helper()
	further := []string{path.Join(p.serial, rescue[0]), path.Join(p.serial, rescue[1]), rescue[0], rescue[1]}
	p.site.asExplained(t, e, p.MACs[0], p.asked, further...)
}

type fetched struct {
	text  string
	found bool
}

// first fetches the first of some files that is there.
func (p *Pi) first(dir string, names ...string) fetched {
	for _, name := range names {
		r := Request{MAC: p.MACs[0], Method: "READ", Path: path.Join(dir, name)}
		p.asked = append(p.asked, r)
		if text, err := p.server.Get(r.Path); err == nil {
			return fetched{text, true}
		}
	}
	return fetched{}
}
