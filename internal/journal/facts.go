package journal

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

// The kinds of facts in a blob of them. Numbers stand in files: none is used
// for anything else later.
const (
	factKnown      = 1
	factContent    = 2
	factDisarmed   = 3
	factArmed      = 4
	factGeneration = 5
	factEnded      = 6
)

// Facts are what holds now, as opposed to what happened.
type facts struct {
	generation uint64 // the last one
	armings    map[string]pxepilot.Arming
	ended      map[string]pxepilot.Ended
	known      map[string]pxepilot.Boot
	contents   map[string]string
}

func newFacts() *facts {
	return &facts{
		armings:  map[string]pxepilot.Arming{},
		ended:    map[string]pxepilot.Ended{},
		known:    map[string]pxepilot.Boot{},
		contents: map[string]string{},
	}
}

// packFacts makes the blob of what a record changes, or nil where it changes
// nothing.
func packFacts(r *pxepilot.Record) []byte {
	changes := len(r.Armed) + len(r.Disarmed) + len(r.Ended) + len(r.Known) + len(r.Contents)
	if changes == 0 && r.Generation == 0 {
		return nil
	}
	p := newPacker(hostSize * changes)
	for host, boot := range r.Known {
		p.known(host, boot)
	}
	for name, digest := range r.Contents {
		p.content(name, digest)
	}
	for _, host := range r.Disarmed {
		p.number(factDisarmed)
		p.name(host)
	}
	for i := range r.Armed {
		p.arming(&r.Armed[i])
	}
	for i := range r.Ended {
		p.ended(&r.Ended[i])
	}
	if r.Generation != 0 {
		p.generation(r.Generation)
	}
	return p.seal()
}

// pack makes one blob of all facts.
func (f *facts) pack() []byte {
	p := newPacker(hostSize * (len(f.armings) + len(f.ended) + len(f.known) + len(f.contents)))
	for _, host := range slices.Sorted(maps.Keys(f.known)) {
		p.known(host, f.known[host])
	}
	for _, name := range slices.Sorted(maps.Keys(f.contents)) {
		p.content(name, f.contents[name])
	}
	for _, a := range f.armed() {
		p.arming(&a)
	}
	for _, a := range f.over() {
		p.ended(&a)
	}
	p.generation(f.generation)
	return p.seal()
}

func (p *packer) generation(last uint64) {
	p.number(factGeneration)
	p.number(last)
}

func (p *packer) known(host string, boot pxepilot.Boot) {
	p.number(factKnown)
	p.name(host)
	p.boot(boot)
}

func (p *packer) content(name, digest string) {
	p.number(factContent)
	p.name(name)
	p.digest(digest)
}

func (p *packer) arming(a *pxepilot.Arming) {
	p.number(factArmed)
	p.oneShot(a)
}

func (p *packer) ended(a *pxepilot.Ended) {
	p.number(factEnded)
	p.oneShot(&a.Arming)
	p.word(string(a.How))
	p.moment(a.At)
}

func (p *packer) oneShot(a *pxepilot.Arming) {
	p.number(a.After)
	p.name(a.Host)
	p.number(uint64(len(a.MACs)))
	for _, m := range a.MACs {
		p.data = append(p.data, m[:]...)
	}
	p.number(a.Generation)
	p.signed(a.Entry)
	p.word(a.Configuration)
	p.word(a.Then)
	p.flag(a.DropUncovered)
	p.word(string(a.OnTimeout))
	p.signed(int64(a.Within))
	p.moment(a.Armed)
	p.word(a.Deadline.Boot)
	p.signed(int64(a.Deadline.Since))
	p.moment(a.Deadline.Wall)
	p.word(a.Suspended)
	p.moment(a.Finished)
	p.flag(a.Failure != nil)
	if a.Failure == nil {
		return
	}
	p.moment(a.Failure.At)
	p.word(a.Failure.Reason)
	p.signed(a.Failure.Entry)
}

func (u *unpacker) oneShot() pxepilot.Arming {
	var a pxepilot.Arming
	if u.format > firstPacking {
		a.After = u.number()
	}
	a.Host = u.name()
	for range u.count() {
		var m pxepilot.MAC
		if len(u.rest) < len(m) {
			u.fail()
			return a
		}
		copy(m[:], u.take(len(m)))
		a.MACs = append(a.MACs, m)
	}
	a.Generation = u.number()
	a.Entry = u.signed()
	a.Configuration = u.word()
	a.Then = u.word()
	if u.format > firstPacking {
		a.DropUncovered = u.flag()
	}
	a.OnTimeout = pxepilot.OnTimeout(u.word())
	a.Within = time.Duration(u.signed())
	a.Armed = u.moment()
	a.Deadline = pxepilot.Moment{Boot: u.word(), Since: time.Duration(u.signed()), Wall: u.moment()}
	a.Suspended = u.word()
	if u.format > firstPacking {
		a.Finished = u.moment()
	}
	if u.flag() {
		a.Failure = &pxepilot.Failure{At: u.moment(), Reason: u.word(), Entry: u.signed()}
	}
	return a
}

// add reads a blob of facts into what is known from earlier ones.
func (f *facts) add(blob []byte) error {
	u := newUnpacker(blob)
	for u.err == nil && !u.done() {
		switch u.number() {
		case factKnown:
			host, boot := u.name(), u.boot()
			set(f.known, host, boot)
		case factContent:
			name, digest := u.name(), u.digest()
			set(f.contents, name, digest)
		case factDisarmed:
			delete(f.armings, u.name())
		case factArmed:
			a := u.oneShot()
			f.armings[a.Host] = a
			f.generation = max(f.generation, a.Generation)
		case factEnded:
			a := pxepilot.Ended{Arming: u.oneShot(), How: pxepilot.What(u.word()), At: u.moment()}
			f.ended[a.Host] = a
		case factGeneration:
			f.generation = max(f.generation, u.number())
		default:
			u.fail()
		}
	}
	return u.err
}

// set sets what m says of a key; nothing removes.
func set[V comparable](m map[string]V, key string, value V) {
	var nothing V
	if value == nothing {
		delete(m, key)
		return
	}
	m[key] = value
}

// armed are the armings by host.
func (f *facts) armed() []pxepilot.Arming {
	return slices.SortedFunc(maps.Values(f.armings), func(a, b pxepilot.Arming) int { return strings.Compare(a.Host, b.Host) })
}

// over are the last ones that ended by host.
func (f *facts) over() []pxepilot.Ended {
	return slices.SortedFunc(maps.Values(f.ended), func(a, b pxepilot.Ended) int { return strings.Compare(a.Host, b.Host) })
}
