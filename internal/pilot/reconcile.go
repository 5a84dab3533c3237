package pilot

import (
	"cmp"
	"slices"

	"github.com/pxe-pilot/pxe-pilot"
)

// reconcile adds to a record what came of the changes that were under way when an
// earlier server ended, by what is there now. The root has resolved by then what
// was cut off.
func (b *book) reconcile(record *pxepilot.Record, changes *rearming, view *pxepilot.View) {
	now := b.see(view)
	for _, e := range b.pending {
		finished := *e // which nobody knows before it is written
		finished.Hosts = slices.Clone(e.Hosts)
		known := judge(&finished, view, now)
		for i := range finished.Hosts {
			s := &finished.Hosts[i]
			h := view.Inventory.ByName(s.Host)
			if _, clear := known[s.Host]; e.Error != "" && !clear && h != nil && halfway(s, now[view.IndexOf(h)]) { // it was us
				s.After = now[view.IndexOf(h)]
				known[s.Host] = s.After
			}
		}
		switch finished.Result {
		case pxepilot.Done:
			how := "the server had been cut off"
			if e.Error != "" {
				how = "it had failed (" + e.Error + ")"
			}
			finished.Why, finished.Error = because(finished.Why, "found done after "+how), ""
		case pxepilot.NotDone:
			finished.Error = cmp.Or(e.Error, "the server was cut off before anything was switched")
		default:
			finished.Error = cmp.Or(e.Error, "the server was cut off, and not every host is as it was, nor every one as it should be")
			finished.Loud = true
		}
		changes.settle(&finished, b.overtaken)
		changes.finish(&finished, b.overtaken)
		record.Finished = append(record.Finished, &finished)
		record.Known = merge(record.Known, known)
	}
}

// halfway says whether what is found may be what a switch that failed in the middle
// left. None such makes all links vanish of a host that is to have some, unless they are
// to be of other loaders, or a third configuration appear where all links had one.
func halfway(s *pxepilot.Switch, is pxepilot.Boot) bool {
	switch {
	case is.State == pxepilot.None:
		return s.After.State == pxepilot.None || s.Before.State == pxepilot.Partial && s.After.State == pxepilot.Partial
	case is.Configuration != "" && (s.Before.Configuration != "" || s.Before.State == pxepilot.None):
		return is.Configuration == s.Before.Configuration || is.Configuration == s.After.Configuration
	}
	return true
}

func because(why, more string) string {
	if why == "" {
		return more
	}
	return why + "; " + more
}

// judge says what came of an entry, and of each of its hosts, by what is there
// now. It returns what is known with that.
func judge(e *pxepilot.Entry, view *pxepilot.View, now []pxepilot.Boot) map[string]pxepilot.Boot {
	known := map[string]pxepilot.Boot{}
	old, made := 0, 0
	for i := range e.Hosts {
		s := &e.Hosts[i]
		s.Result = pxepilot.Unclear
		h := view.Inventory.ByName(s.Host)
		if h == nil {
			continue
		}
		is := now[view.IndexOf(h)]
		unmoved := alike(is, s.Before) && !touched(s.Before, is)
		reached := alike(is, s.After)
		if unmoved {
			s.Result = pxepilot.NotDone
			old++
		}
		if reached {
			s.Result = pxepilot.Done
			made++
		}
		if unmoved || reached {
			known[s.Host] = is
		}
	}
	switch {
	case old == len(e.Hosts):
		e.Result = pxepilot.NotDone
	case made == len(e.Hosts):
		e.Result = pxepilot.Done
	default:
		e.Result = pxepilot.Unclear
	}
	for i := range e.Hosts {
		s := &e.Hosts[i]
		if s.Result == pxepilot.Done && e.Result != pxepilot.NotDone {
			s.After.Digest = known[s.Host].Digest
		}
		if e.Result != pxepilot.Unclear || s.Result == e.Result {
			s.Result = "" // the entry says it
		}
	}
	return known
}
