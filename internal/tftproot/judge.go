package tftproot

import (
	"github.com/pxe-pilot/pxe-pilot"
)

// judge says of every host what its links, read before, lead to.
func (s *session) judge(snap *snapshot, found []text) []pxepilot.HostStatus {
	b := snap.bound
	j := &judging{session: s, snap: snap, memo: map[memoKey]lead{}, texts: map[memoKey]string{}}
	all := make([]pxepilot.Link, 0, b.names)
	hosts := make([]pxepilot.HostStatus, len(b.hosts))
	at := 0
	for i := range b.hosts {
		first := len(all)
		for _, c := range b.hosts[i].chains {
			all = j.chain(all, i, &c, found[at:at+len(c.names)])
			at += len(c.names)
		}
		links := all[first:len(all):len(all)]
		state, configuration := pxepilot.StateOf(links)
		hosts[i] = pxepilot.HostStatus{
			Host:          b.hosts[i].host,
			State:         state,
			Configuration: configuration,
			Links:         links,
			Canonical:     s.canonical(snap, links),
		}
	}
	return hosts
}

// judging is one pass over all hosts.
type judging struct {
	*session
	snap  *snapshot
	memo  map[memoKey]lead   // where a text leads
	texts map[memoKey]string // the text that leads to a configuration
}

type memoKey struct {
	loader, dir int
	text        string
}

func (j *judging) chain(all []pxepilot.Link, host int, c *chain, found []text) []pxepilot.Link {
	first := len(all)
	var viaFirst []string
	for n := range c.names {
		name, t := &c.names[n], found[n]
		l := pxepilot.Link{
			Bootloader: j.root.loaders[c.loader].Name,
			MAC:        name.mac,
			Path:       name.path,
			Target:     t.value,
			State:      pxepilot.None,
		}
		switch {
		case t.is == notALink:
			l.State, l.Obstacle = pxepilot.Unmanaged, obstacle(t.mode)
		case t.is == aLink && n > 0 && t.value == c.names[0].base && name.dir == c.names[0].dir:
			// What the canonical shape looks like: it is where the first one is.
			head := &all[first]
			l.State, l.Configuration = head.State, head.Configuration
			switch head.State {
			case pxepilot.None:
				l.State = pxepilot.Dangling
			case pxepilot.Unmanaged:
				l.State = pxepilot.Foreign
			}
			if viaFirst == nil {
				viaFirst = append([]string{head.Path}, head.Through...)
			}
			l.Through = viaFirst
			l.Canonical = l.State == pxepilot.Configured && !j.root.absolute
		case t.is == aLink:
			j.note(&l, host, c.loader, name, t.value)
			l.Canonical = l.State == pxepilot.Configured && t.value == j.textOf(c, n, l.Configuration)
		}
		all = append(all, l)
	}
	return all
}

// note writes into l where its text leads.
func (j *judging) note(l *pxepilot.Link, host, loader int, n *name, text string) {
	key := memoKey{loader, n.dir, text}
	to, known := j.memo[key]
	if !known {
		to = j.follow(j.snap, loader, n.dir, text)
		j.memo[key] = to
	}
	l.State, l.Configuration = to.state, to.configuration
	for _, at := range to.through {
		l.Through = append(l.Through, j.pathOf(at))
		if owner, owned := j.snap.bound.ownerOf(at); owned && owner != host {
			l.State = pxepilot.Entangled
		}
	}
}

// pathOf is how the view names a spot: as its owner's link, where it has one.
func (j *judging) pathOf(at spot) string {
	if owner, ok := j.snap.bound.ownerOf(at); ok {
		for _, c := range j.snap.bound.hosts[owner].chains {
			for n := range c.names {
				if c.names[n].spot == at {
					return c.names[n].path
				}
			}
		}
	}
	return j.describe(at)
}

// text is what a deploy of a configuration gives to the n-th link of a chain.
func (s *session) text(c *chain, n int, configuration string) string {
	d := s.dirs[c.names[n].dir]
	if n == 0 {
		return s.confText(c.loader, d, configuration)
	}
	return s.firstText(d, &c.names[0])
}

// textOf is text, remembered for first links, which have few different ones.
func (j *judging) textOf(c *chain, n int, configuration string) string {
	if n > 0 {
		return j.text(c, n, configuration)
	}
	key := memoKey{c.loader, c.names[0].dir, configuration}
	t, known := j.texts[key]
	if !known {
		t = j.text(c, 0, configuration)
		j.texts[key] = t
	}
	return t
}

// canonical says whether there is nothing for a repair to do: all links are in
// shape, and none is missing that the host's configuration has a variant for.
func (s *session) canonical(snap *snapshot, links []pxepilot.Link) bool {
	configuration, present := "", 0
	for i := range links {
		if links[i].State == pxepilot.None {
			continue
		}
		if !links[i].Canonical {
			return false
		}
		configuration = links[i].Configuration
		present++
	}
	if present == 0 || present == len(links) {
		return true
	}
	for i := range links {
		if links[i].State == pxepilot.None && snap.covers(s, links[i].Bootloader, configuration) {
			return false
		}
	}
	return true
}

// covers says whether a configuration has a variant for a bootloader.
func (c *snapshot) covers(s *session, bootloader, configuration string) bool {
	for l := range s.root.loaders {
		if s.root.loaders[l].Name == bootloader {
			return c.confs[l][configuration]
		}
	}
	return false
}
