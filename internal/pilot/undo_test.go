package pilot

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot"
)

func (s *bookSite) undo(u Undo) (*Outcome, error) {
	u.By = Actor{Name: "api"}
	return s.Undo(s.t.Context(), u)
}

func TestUndo(t *testing.T) {
	s := newBookSite(t, "a", "b", "c")
	s.must("local", "a", "b")
	s.must("ubuntu", "a", "b", "c")
	s.must("ubuntu", "c") // changes nothing
	for _, tt := range []struct {
		undo Undo
		want string
	}{
		{Undo{Entry: 2, DryRun: true}, "a ubuntu, b ubuntu, c ubuntu"},
		{Undo{Entry: 2}, "a local, b local, c none"},
		{Undo{Entry: 4}, "a ubuntu, b ubuntu, c ubuntu"}, // the undo
		{Undo{Host: "b"}, "a ubuntu, b local, c ubuntu"},
		{Undo{Host: "b"}, "a ubuntu, b ubuntu, c ubuntu"},
		{Undo{}, "a ubuntu, b local, c ubuntu"},
		{Undo{Entry: 2, Host: "c"}, "a ubuntu, b local, c none"},
	} {
		if _, err := s.undo(tt.undo); err != nil {
			t.Errorf("%+v: %v", tt.undo, err)
		}
		s.boots(tt.want)
	}
	if e := s.journal.entries[3]; e.Undoes != 2 || e.What != pxepilot.Undone || e.Result != pxepilot.Done {
		t.Errorf("%+v", e)
	}
	out, err := s.undo(Undo{Host: "c"})
	if err != nil || out.Entry == 0 || len(out.Steps) == 0 {
		t.Fatalf("%+v, %v", out, err)
	}
	if diff := cmp.Diff([]string{"c ubuntu"}, told(out)); diff != "" {
		t.Error(diff)
	}
}

func TestUndoByHand(t *testing.T) {
	s := newBookSite(t, "a")
	s.must("local", "a")
	s.root.put("a", "file")
	s.look()
	if _, err := s.undo(Undo{Host: "a"}); pxepilot.ErrorCode(err) != pxepilot.Conflict {
		t.Error(err)
	}
	if _, err := s.undo(Undo{Host: "a", Force: true}); err != nil {
		t.Error(err)
	}
	s.boots("a local")
	_, err := s.undo(Undo{Host: "a"})
	if got, want := pxepilot.ErrorMessage(err), `host "a": its links were unmanaged before, which cannot be brought back; deploy the configuration that is meant`; got != want {
		t.Error(got)
	}
}

func TestUndoRefuses(t *testing.T) {
	s := newBookSite(t, "a", "b", "c")
	s.must("local", "a", "b", "c")                                                                                                               // 1
	s.must("ubuntu", "a", "b", "c")                                                                                                              // 2
	s.must("debian", "b")                                                                                                                        // 3
	s.root.put("c", "nowhere")                                                                                                                   //
	s.look()                                                                                                                                     // 4
	s.must("local", "c")                                                                                                                         // 5
	s.root.write("debian", "new")                                                                                                                //
	s.look()                                                                                                                                     //
	s.look()                                                                                                                                     // 6
	_, _ = s.Change(t.Context(), Change{Want: pxepilot.Deploy, Configuration: "bios-only", Hosts: named("a"), DropUncovered: true, By: Actor{}}) // 7
	s.must("local", "a")                                                                                                                         // 8
	was := s.root.boots()
	for _, tt := range []struct {
		undo Undo
		code pxepilot.Code
		want string
	}{
		{Undo{Entry: 2}, pxepilot.Conflict, `entry 2 was not undone, for hosts "a", "b", "c" were changed or removed since; undo it for single hosts, or accept it with --force`},
		{Undo{Entry: 2, Host: "b"}, pxepilot.Conflict, `entry 2 was not undone, for host "b" was changed or removed since; undo it for single hosts, or accept it with --force`},
		{Undo{Entry: 5}, pxepilot.Conflict, `host "c": its links were dangling before, which cannot be brought back; deploy the configuration that is meant`},
		{Undo{Entry: 6}, pxepilot.Conflict, `there is nothing to undo: entry 6 is about the content of a configuration, which is not kept`},
		{Undo{Entry: 3, Host: "a"}, pxepilot.Conflict, `there is nothing to undo: entry 3 did not change what host "a" boots`},
		{Undo{Entry: 99}, pxepilot.NotFound, `the journal has no entry 99; 'pxe-pilot history' lists them`},
		{Undo{Host: "d"}, pxepilot.NotFound, `host "d" not found; did you mean a or b or c?`},
		{Undo{Host: "a/b"}, pxepilot.Invalid, `host: the name "a/b" contains a slash`},
	} {
		out, err := s.undo(tt.undo)
		if out != nil || pxepilot.ErrorCode(err) != tt.code || pxepilot.ErrorMessage(err) != tt.want {
			t.Errorf("%+v: %s: %v", tt.undo, pxepilot.ErrorCode(err), err)
		}
		s.boots(was)
	}
	if _, err := s.undo(Undo{Entry: 8}); err != nil { // back to where a loader falls to its default
		t.Error(err)
	}
	s.boots("a bios-only partly, b debian, c local")
	if _, err := s.undo(Undo{Entry: 2, Force: true}); err != nil {
		t.Error(err)
	}
	s.boots("a local, b local, c local")

	// What a host booted is gone, and then the host.
	s.must("ubuntu", "a", "b") // 11
	s.root.write("local", "")
	if _, err := s.undo(Undo{Host: "a"}); pxepilot.ErrorMessage(err) != `host "a": it booted configuration "local" before, which is no longer there` {
		t.Error(err)
	}
	s.root.write("local", "back")
	s.root.describe("b")
	if _, err := s.undo(Undo{Entry: 11}); pxepilot.ErrorCode(err) != pxepilot.Conflict {
		t.Error(err)
	}
	out, err := s.undo(Undo{Entry: 11, Force: true})
	if err != nil || len(out.Hosts) != 2 || out.Hosts[0].Refused == nil {
		t.Errorf("%+v, %v", out, err)
	}
	s.boots("b local")
}

func TestUndoWithNothingToUndo(t *testing.T) {
	s := newBookSite(t, "a")
	for _, u := range []Undo{{}, {Host: "a"}} {
		if _, err := s.undo(u); pxepilot.ErrorCode(err) != pxepilot.NotFound {
			t.Error(err)
		}
	}
	p, _ := newSite(t)
	_, undo := p.Undo(t.Context(), Undo{})
	_, history := p.History(t.Context(), pxepilot.Question{})
	for _, err := range []error{undo, history} {
		if pxepilot.ErrorMessage(err) != "this server keeps no journal" {
			t.Error(err)
		}
	}
}

func TestHistory(t *testing.T) {
	s := newBookSite(t, "a", "b")
	s.must("local", "a")
	s.must("ubuntu", "a", "b")
	s.root.describe("b")
	for _, tt := range []struct {
		of   pxepilot.Question
		want []int64
		code pxepilot.Code
	}{
		{pxepilot.Question{}, []int64{2, 1}, ""},
		{pxepilot.Question{Host: "b"}, []int64{2}, ""},
		{pxepilot.Question{Host: "02:00:62:00:00:00"}, []int64{2}, ""},
		{pxepilot.Question{Host: "a", Most: 1}, []int64{2}, ""}, // which is no longer in the file
		{pxepilot.Question{ID: 1}, []int64{1}, ""},
		{pxepilot.Question{ID: 9}, nil, pxepilot.NotFound},
		{pxepilot.Question{Host: "c"}, nil, pxepilot.NotFound},
		{pxepilot.Question{Host: "../c"}, nil, pxepilot.Invalid},
		{pxepilot.Question{Most: -1}, nil, pxepilot.Invalid},
	} {
		entries, err := s.History(t.Context(), tt.of)
		var got []int64
		for _, e := range entries {
			got = append(got, e.ID)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" || pxepilot.ErrorCode(err) != tt.code {
			t.Errorf("%+v: %v\n%s", tt.of, err, diff)
		}
	}
}
