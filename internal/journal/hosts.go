package journal

import (
	"slices"

	"github.com/pxe-pilot/pxe-pilot"
)

// hostSize is about what a host takes in a blob, in bytes.
const hostSize = 80

// packHosts makes the blob of an entry's hosts.
func packHosts(hosts []pxepilot.Switch) []byte {
	p := newPacker(hostSize * len(hosts))
	p.number(uint64(len(hosts)))
	for i := range hosts {
		h := &hosts[i]
		p.name(h.Host)
		p.boot(h.Before)
		p.boot(h.After)
		p.word(string(h.Result))
		p.begun(h.Armed)
		p.begun(h.Ended)
	}
	return p.seal()
}

// begun packs an arming that may be none.
func (p *packer) begun(a *pxepilot.Arming) {
	p.flag(a != nil)
	if a != nil {
		p.oneShot(a)
	}
}

func (u *unpacker) begun() *pxepilot.Arming {
	if u.format == firstPacking || !u.flag() {
		return nil
	}
	a := u.oneShot()
	return &a
}

// unpackHosts reads it: all of them, or at most so many, where the host that is
// asked for comes first.
func unpackHosts(blob []byte, host string, most int) ([]pxepilot.Switch, error) {
	u := newUnpacker(blob)
	n := u.count()
	if most <= 0 || most >= n {
		most, host = n, ""
	}
	hosts := make([]pxepilot.Switch, 0, most)
	for left := n; u.err == nil && left > 0 && (len(hosts) < most || host != ""); left-- {
		switch u.next(); {
		case host != "" && string(u.last) == host:
			hosts = slices.Insert(hosts, 0, u.change())
			host = ""
		case len(hosts) < most:
			hosts = append(hosts, u.change())
		default:
			u.pass()
		}
	}
	if u.err != nil || n == 0 {
		return nil, u.err
	}
	return slices.Clip(hosts[:most]), nil
}

// change is what became of the host whose name was read.
func (u *unpacker) change() pxepilot.Switch {
	host := string(u.last) // before another name is read
	return pxepilot.Switch{
		Host: host, Before: u.boot(), After: u.boot(), Result: pxepilot.Result(u.word()),
		Armed: u.begun(), Ended: u.begun(),
	}
}

// pass reads over that: where one host of thousands is asked for, the others need
// no strings, but for those few that were armed.
func (u *unpacker) pass() {
	for range 2 {
		u.word()
		u.word()
		u.raw()
	}
	u.word()
	u.begun()
	u.begun()
}

func (p *packer) boot(b pxepilot.Boot) {
	p.word(string(b.State))
	p.word(b.Configuration)
	p.digest(b.Digest)
}

func (u *unpacker) boot() pxepilot.Boot {
	return pxepilot.Boot{State: pxepilot.State(u.word()), Configuration: u.word(), Digest: u.digest()}
}
