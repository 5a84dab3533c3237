package redfish_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/power/redfish/redfishtest"
)

// wants checks an error: its code, and that its message contains each text.
func wants(t *testing.T, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want one that says %q", texts)
	}
	if code := pxepilot.ErrorCode(err); code != pxepilot.Conflict {
		t.Errorf("the error has the code %s: %v", code, err)
	}
	for _, text := range append(texts, "host h2: BMC 127.0.0.1:") {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("the error does not say %q: %v", text, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") || strings.ContainsAny(err.Error(), "\n\x1b") {
		t.Errorf("the error shows what it must not: %q", err)
	}
}

func TestResetTypes(t *testing.T) {
	for _, tt := range []struct {
		name    string
		options redfishtest.Options
		action  pxepilot.PowerAction
		want    string // the reset type that is sent
		refused string // or what is said
	}{
		{"on", redfishtest.Options{}, pxepilot.ActionOn, "On", ""},
		{"on by force", redfishtest.Options{Resets: []string{"ForceOn", "ForceOff"}}, pxepilot.ActionOn, "ForceOn", ""},
		{"on rather without force", redfishtest.Options{Resets: []string{"ForceOn", "On"}}, pxepilot.ActionOn, "On", ""},
		{"told by action info", redfishtest.Options{ActionInfo: true}, pxepilot.ActionReset, "ForceRestart", ""},
		{"missing in action info", redfishtest.Options{ActionInfo: true, Resets: []string{"On", "ForceOff"}}, pxepilot.ActionReset, "",
			"offers no ForceRestart, which reset needs; it offers On, ForceOff"},
		{"missing", redfishtest.Options{Resets: []string{"On", "ForceOff", "GracefulRestart", "Nmi"}}, pxepilot.ActionCycle, "",
			"offers no PowerCycle, which cycle needs; it offers On, ForceOff, GracefulRestart, Nmi"},
		{"no soft off", redfishtest.Options{Resets: []string{"On", "ForceOff"}}, pxepilot.ActionSoftOff, "", "offers no GracefulShutdown"},
		{"not told", redfishtest.Options{Untold: true}, pxepilot.ActionReset, "ForceRestart", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, c := serve(t, tt.options)
			err := c.Do(t.Context(), tt.action)
			if tt.refused != "" {
				wants(t, err, tt.refused)
				if !errors.Is(err, errors.ErrUnsupported) {
					t.Errorf("%v does not wrap errors.ErrUnsupported", err)
				}
			} else if err != nil {
				t.Error(err)
			}
			var want []string
			if tt.want != "" {
				want = []string{tt.want}
			}
			if diff := cmp.Diff(want, s.System("").Actions()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// A service that refuses what it did not even tell is believed.
func TestRefusedReset(t *testing.T) {
	s, c := serve(t, redfishtest.Options{Untold: true, Resets: []string{"On"}})
	s.System("").Press(true)
	wants(t, c.Do(t.Context(), pxepilot.ActionReset), "status 400 Bad Request", "The parameter ResetType is not supported")
	if n := len(s.System("").Actions()); n != 0 {
		t.Errorf("%d actions", n)
	}
}

// Services that refuse to do what is so already are no reason to tell an error;
// those that refuse anything else are.
func TestRefusedBecauseItIsSo(t *testing.T) {
	for _, tt := range []struct {
		action  pxepilot.PowerAction
		on      bool
		refused string
	}{
		{pxepilot.ActionOn, true, ""},
		{pxepilot.ActionOff, false, ""},
		{pxepilot.ActionSoftOff, false, ""},
		{pxepilot.ActionCycle, false, "Server is already powered OFF"},
		{pxepilot.ActionReset, false, "Server is already powered OFF"},
	} {
		s, c := serve(t, redfishtest.Options{Picky: true})
		s.System("").Press(tt.on)
		err := c.Do(t.Context(), tt.action)
		if tt.refused != "" {
			wants(t, err, tt.refused, "status 409 Conflict")
		} else if err != nil {
			t.Errorf("%s: %v", tt.action, err)
		}
		if n := len(asked(s, http.MethodPost)); n != 2 { // the session, the action
			t.Errorf("%s: %d requests were posted", tt.action, n)
		}
	}
}

// After a boot override the system has another ETag, and an action that needs
// one gets the new one.
func TestActionsThatNeedACondition(t *testing.T) {
	s, c := serve(t, redfishtest.Options{Conditional: true})
	s.System("").Press(true)
	if err := c.BootNext(t.Context(), pxepilot.BootPXE, pxepilot.UEFI); err != nil {
		t.Fatal(err)
	}
	if err := c.Do(t.Context(), pxepilot.ActionReset); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"ForceRestart"}, s.System("").Actions()); diff != "" {
		t.Error(diff)
	}
}

// A change that comes in between makes the ETag a stale one: it is read once
// more, and then no longer.
func TestStaleETag(t *testing.T) {
	for _, tt := range []struct {
		changes int
		refused bool
	}{{0, false}, {1, false}, {2, true}, {9, true}} {
		s, c := serve(t, redfishtest.Options{})
		left := tt.changes
		s.InFront(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.Method == http.MethodPatch && left > 0 {
				left--
				s.System("").Touch()
			}
			next.ServeHTTP(w, r)
		})
		err := c.BootNext(t.Context(), pxepilot.BootPXE, "")
		if tt.refused {
			wants(t, err, "status 412 Precondition Failed", "The ETag supplied did not match")
		} else if err != nil {
			t.Errorf("%d changes: %v", tt.changes, err)
		}
		if n := len(asked(s, http.MethodPatch)); n > 2 {
			t.Errorf("%d changes: asked %d times", tt.changes, n)
		}
	}
}

func TestBootNext(t *testing.T) {
	for _, tt := range []struct {
		name     string
		options  redfishtest.Options
		device   pxepilot.BootDevice
		firmware pxepilot.Firmware
		want     redfishtest.Boot
	}{
		{"PXE by UEFI", redfishtest.Options{}, pxepilot.BootPXE, pxepilot.UEFI, redfishtest.Boot{Enabled: "Once", Target: "Pxe", Mode: "UEFI"}},
		{"disk by BIOS", redfishtest.Options{}, pxepilot.BootDisk, pxepilot.BIOS, redfishtest.Boot{Enabled: "Once", Target: "Hdd", Mode: "Legacy"}},
		{"setup by whatever", redfishtest.Options{}, pxepilot.BootSetup, "", redfishtest.Boot{Enabled: "Once", Target: "BiosSetup", Mode: "UEFI"}},
		{"no ETags", redfishtest.Options{NoETags: true}, pxepilot.BootPXE, pxepilot.BIOS, redfishtest.Boot{Enabled: "Once", Target: "Pxe", Mode: "Legacy"}},
		{"by the settings resource", redfishtest.Options{Settings: true}, pxepilot.BootPXE, pxepilot.BIOS, redfishtest.Boot{Enabled: "Once", Target: "Pxe", Mode: "Legacy"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, c := serve(t, tt.options)
			if err := c.BootNext(t.Context(), tt.device, tt.firmware); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, s.System("").Boot()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			for _, r := range s.Requests() {
				if tt.firmware == "" && strings.Contains(r.Body, "Mode") {
					t.Errorf("a mode was set though none was told: %s", r.Body)
				}
			}
		})
	}
}

// What a service does not offer is told before it is asked for.
func TestBootNextThatIsNotOffered(t *testing.T) {
	for _, tt := range []struct{ from, to, want string }{
		{`["None","Pxe","Hdd","BiosSetup"]`, `["None","Hdd"]`, "cannot boot Pxe next; it offers None, Hdd"},
		{`["Legacy","UEFI"]`, `["UEFI"]`, "cannot boot by Legacy; it offers UEFI"},
	} {
		s, c := serve(t, redfishtest.Options{})
		s.InFront(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			edited(w, r, next, strings.NewReplacer(tt.from, tt.to))
		})
		err := c.BootNext(t.Context(), pxepilot.BootPXE, pxepilot.BIOS)
		wants(t, err, tt.want)
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%v does not wrap errors.ErrUnsupported", err)
		}
		if n := len(asked(s, http.MethodPatch)); n != 0 {
			t.Errorf("asked %d times all the same", n)
		}
	}
}

// Services older than the property for the mode are not confused by it.
func TestBootNextWithoutModes(t *testing.T) {
	s, c := serve(t, redfishtest.Options{})
	s.InFront(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		edited(w, r, next, strings.NewReplacer("BootSourceOverrideMode", "OverrideOfNothing"))
	})
	if err := c.BootNext(t.Context(), pxepilot.BootPXE, pxepilot.BIOS); err != nil {
		t.Fatal(err)
	}
	want := redfishtest.Boot{Enabled: "Once", Target: "Pxe", Mode: "UEFI"}
	if diff := cmp.Diff(want, s.System("").Boot()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// edited answers as the service does, with changes to the text.
func edited(w http.ResponseWriter, r *http.Request, next http.Handler, changes *strings.Replacer) {
	rec := httptest.NewRecorder()
	next.ServeHTTP(rec, r)
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	w.WriteHeader(rec.Code)
	changes.WriteString(w, rec.Body.String())
}
