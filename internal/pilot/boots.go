package pilot

import (
	"encoding/binary"
	"encoding/hex"

	"github.com/pxe-pilot/pxe-pilot"
)

// bootOf is what the links of a host say.
func bootOf(s *pxepilot.HostStatus) pxepilot.Boot {
	return pxepilot.Boot{State: s.State, Configuration: agreed(s.Links), Digest: digestOf(s.Links, nil)}
}

// agreed is the configuration that all links lead to that lead to any, or empty
// where they differ.
func agreed(links []pxepilot.Link) string {
	configuration := ""
	for i := range links {
		switch c := links[i].Configuration; {
		case c == "":
		case configuration != "" && c != configuration:
			return ""
		default:
			configuration = c
		}
	}
	return configuration
}

// intended is what the links of a host will say once it is moved. It has no
// digest yet.
func intended(s *pxepilot.HostStatus, m pxepilot.Move, view *pxepilot.View) pxepilot.Boot {
	name := m.Configuration
	switch m.Want {
	case pxepilot.Clear:
		name = ""
	case pxepilot.Repair:
		name = s.Common()
	}
	configuration, _ := view.Configuration(name)
	covered, uncovered := 0, 0
	for i := range s.Links {
		if configuration.Covers(s.Links[i].Bootloader) {
			covered++
		} else {
			uncovered++
		}
	}
	switch {
	case covered == 0:
		return pxepilot.Boot{State: pxepilot.None}
	case uncovered > 0:
		return pxepilot.Boot{State: pxepilot.Partial, Configuration: name}
	}
	return pxepilot.Boot{State: pxepilot.Configured, Configuration: name}
}

// alike says whether two boots are the same but for the texts of the links. Where
// those lead to no one configuration, the texts are all that there is.
func alike(a, b pxepilot.Boot) bool {
	if a.State != b.State || a.Configuration != b.Configuration {
		return false
	}
	switch a.State {
	case pxepilot.Configured, pxepilot.Partial, pxepilot.None:
		return true
	}
	return a.Digest == "" || b.Digest == "" || a.Digest == b.Digest
}

// The digest of a host's links is in two halves: that of their names, which the
// configuration file decides, and that of their texts, which whoever sets links
// does. It tells one state of a host from another, and needs no more than that.
const half = 16

// digestOf is the digest of links, where changed has the texts of some that are
// others by now.
func digestOf(links []pxepilot.Link, changed map[string]string) string {
	names, texts := uint64(fnvOffset), uint64(fnvOffset)
	for i := range links {
		l := &links[i]
		text, is := changed[l.Path]
		switch {
		case is:
		case l.State == pxepilot.Unmanaged:
			text = "\x00" + l.Obstacle
		default:
			text = l.Target
		}
		names = fnv(names, l.Path)
		texts = fnv(texts, text)
	}
	var sum [16]byte
	binary.BigEndian.PutUint64(sum[:8], names)
	binary.BigEndian.PutUint64(sum[8:], texts)
	return hex.EncodeToString(sum[:])
}

// FNV-1a, as in hash/fnv, which wants every text copied. Each text is followed by a
// byte that is in no UTF-8, so that it counts where one ends.
const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)

func fnv(h uint64, s string) uint64 {
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * fnvPrime
	}
	return (h ^ 0xff) * fnvPrime
}

// sameNames says whether two digests are of the same names.
func sameNames(a, b string) bool {
	return len(a) == 2*half && len(b) == 2*half && a[:half] == b[:half]
}

// touched says whether somebody set links of a host between two boots, as far as
// that shows: where the file gives it other links, it does not.
func touched(before, now pxepilot.Boot) bool {
	return sameNames(before.Digest, now.Digest) && before.Digest != now.Digest
}
