package journal

import (
	"fmt"
	"math"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/pxe-pilot/pxe-pilot"
)

// What random records are about.
var (
	hostNames = rapid.SampledFrom([]string{"h1", "h2", "h3", "h10", "rack1-node7", "Ünïcode", "h 1", "host h1", "x\x00y"})
	words     = rapid.SampledFrom([]string{"", "local", "ubuntu-24.04", "wipe", "it's \"quoted\"; DROP TABLE entries", "a\x00b", "\xff\xfe", "é"})
	digests   = rapid.OneOf(rapid.SampledFrom([]string{"", "00ff", "0", "xyz", "ABCD", "deadbeef\x00"}), rapid.StringMatching(`[0-9a-f]{64}`))
	actors    = rapid.SampledFrom([]string{"api", "timer", "hand", "host h1", ""})
	moments   = rapid.OneOf(
		rapid.Custom(func(t *rapid.T) time.Time {
			return at.Add(time.Duration(rapid.Int64Range(-1000, 1000).Draw(t, "hours")) * time.Hour)
		}),
		rapid.SampledFrom([]time.Time{{}, time.Unix(0, 0).UTC(), at.AddDate(-1, 0, 0), at.AddDate(200, 0, 0)}))
	states  = rapid.SampledFrom([]pxepilot.State{pxepilot.Configured, pxepilot.None, pxepilot.Mixed, "", "of a later version"})
	results = rapid.SampledFrom([]pxepilot.Result{pxepilot.UnderWay, pxepilot.Done, pxepilot.NotDone, pxepilot.Unclear})
	boots   = rapid.Custom(func(t *rapid.T) pxepilot.Boot {
		return pxepilot.Boot{State: states.Draw(t, "state"), Configuration: words.Draw(t, "configuration"), Digest: digests.Draw(t, "digest")}
	})
	armings = rapid.Custom(func(t *rapid.T) pxepilot.Arming {
		a := pxepilot.Arming{
			Host:          hostNames.Draw(t, "host"),
			Generation:    rapid.OneOf(rapid.Uint64Range(0, 99), rapid.Just(uint64(math.MaxUint64))).Draw(t, "generation"),
			After:         rapid.Uint64Range(0, 9).Draw(t, "after"),
			Entry:         rapid.Int64Range(0, 5).Draw(t, "entry"),
			Configuration: words.Draw(t, "configuration"),
			Then:          words.Draw(t, "then"),
			OnTimeout:     rapid.SampledFrom([]pxepilot.OnTimeout{pxepilot.SwitchOnTimeout, pxepilot.KeepOnTimeout}).Draw(t, "on timeout"),
			Within:        time.Duration(rapid.Int64().Draw(t, "within")),
			Armed:         moments.Draw(t, "armed"),
			Deadline:      pxepilot.Moment{Boot: words.Draw(t, "boot"), Since: time.Duration(rapid.Int64().Draw(t, "since")), Wall: moments.Draw(t, "wall")},
			Suspended:     words.Draw(t, "suspended"),
			DropUncovered: rapid.Bool().Draw(t, "drop uncovered"),
			Finished:      moments.Draw(t, "finished"),
		}
		for range rapid.IntRange(0, 3).Draw(t, "MACs") {
			a.MACs = append(a.MACs, pxepilot.MAC(rapid.SliceOfN(rapid.Byte(), 6, 6).Draw(t, "MAC")))
		}
		if rapid.Bool().Draw(t, "failed") {
			a.Failure = &pxepilot.Failure{At: moments.Draw(t, "failure"), Reason: words.Draw(t, "reason"), Entry: rapid.Int64Range(0, 5).Draw(t, "told")}
		}
		return a
	})
	endings = rapid.Custom(func(t *rapid.T) pxepilot.Ended {
		return pxepilot.Ended{Arming: armings.Draw(t, "arming"), How: rapid.SampledFrom([]pxepilot.What{pxepilot.Finished, pxepilot.TimedOut}).Draw(t, "how"), At: moments.Draw(t, "at")}
	})
	maybeArmings = rapid.Custom(func(t *rapid.T) *pxepilot.Arming {
		if rapid.IntRange(0, 3).Draw(t, "one") > 0 {
			return nil
		}
		a := armings.Draw(t, "arming")
		return &a
	})
	switches = rapid.Custom(func(t *rapid.T) pxepilot.Switch {
		return pxepilot.Switch{
			Host: hostNames.Draw(t, "host"), Before: boots.Draw(t, "before"), After: boots.Draw(t, "after"), Result: results.Draw(t, "result"),
			Armed: maybeArmings.Draw(t, "armed"), Ended: maybeArmings.Draw(t, "ended"),
		}
	})
	entries = rapid.Custom(func(t *rapid.T) *pxepilot.Entry {
		e := &pxepilot.Entry{
			At:     moments.Draw(t, "at"),
			What:   rapid.SampledFrom([]pxepilot.What{pxepilot.Deployed, pxepilot.Failed, pxepilot.ByHand}).Draw(t, "what"),
			Actor:  actors.Draw(t, "actor"),
			From:   words.Draw(t, "from"),
			Of:     words.Draw(t, "of"),
			Why:    words.Draw(t, "why"),
			Result: results.Draw(t, "result"),
			Error:  words.Draw(t, "error"),
			Undoes: rapid.Int64Range(0, 9).Draw(t, "undoes"),
			Loud:   rapid.Bool().Draw(t, "loud"),
			Log:    words.Draw(t, "log"),
			Hosts:  rapid.SliceOfNDistinct(switches, 0, 5, func(s pxepilot.Switch) string { return s.Host }).Draw(t, "hosts"),
		}
		if rapid.IntRange(0, 19).Draw(t, "wide") == 0 {
			for i := range rapid.IntRange(piece-2, 3*piece).Draw(t, "width") {
				e.Hosts = append(e.Hosts, pxepilot.Switch{Host: fmt.Sprint("w", i)})
			}
		}
		if len(e.Hosts) == 0 {
			e.Hosts = nil
		}
		return e
	})
)

// record draws one that fits what is there.
func (m *model) record(t *rapid.T) *pxepilot.Record {
	r := &pxepilot.Record{
		New:        rapid.SliceOfN(entries, 0, 3).Draw(t, "new"),
		Armed:      rapid.SliceOfNDistinct(armings, 0, 2, func(a pxepilot.Arming) string { return a.Host }).Draw(t, "armed"),
		Disarmed:   rapid.SliceOfN(hostNames, 0, 2).Draw(t, "disarmed"),
		Ended:      rapid.SliceOfNDistinct(endings, 0, 2, func(a pxepilot.Ended) string { return a.Host }).Draw(t, "ended"),
		Generation: rapid.OneOf(rapid.Just(uint64(0)), rapid.Uint64Range(0, 200)).Draw(t, "last generation"),
		Known:      rapid.MapOfN(hostNames, boots, 0, 3).Draw(t, "known"),
		Contents:   rapid.MapOfN(words, digests, 0, 2).Draw(t, "contents"),
	}
	if len(m.entries) > 0 && rapid.Bool().Draw(t, "finishes") {
		e := rapid.SampledFrom(m.entries).Draw(t, "finished")
		e.Result, e.Why, e.Error, e.Loud = results.Draw(t, "result"), words.Draw(t, "why"), words.Draw(t, "error"), !e.Loud
		e.Hosts = slices.Clone(e.Hosts)
		for i := range e.Hosts {
			e.Hosts[i].After.Digest = "0123"
		}
		r.Finished = append(r.Finished, &e)
	}
	return r
}

var questions = rapid.Custom(func(t *rapid.T) pxepilot.Question {
	maybe := func(name string) bool { return rapid.IntRange(0, 2).Draw(t, name) == 0 }
	var q pxepilot.Question
	if maybe("by host") {
		q.Host = hostNames.Draw(t, "host")
	}
	if maybe("by actor") {
		q.Actor = actors.Draw(t, "actor")
	}
	if maybe("since") {
		q.Since = moments.Draw(t, "moment")
	}
	if maybe("page") {
		q.Before = rapid.Int64Range(1, 30).Draw(t, "before")
	}
	if rapid.IntRange(0, 9).Draw(t, "one") == 0 {
		q.ID = rapid.Int64Range(1, 30).Draw(t, "ID")
	}
	q.Most = rapid.IntRange(0, 4).Draw(t, "most")
	q.Hosts = rapid.IntRange(0, 3).Draw(t, "hosts")
	return q
})
