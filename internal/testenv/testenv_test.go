package testenv

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// recorder is a test that notes how it would have ended.
type recorder struct {
	testing.TB
	fatal, skip string
}

type ended struct{}

func (r *recorder) Helper()      {}
func (r *recorder) Name() string { return "TestOfSomething" }

func (r *recorder) Fatalf(format string, args ...any) {
	r.fatal = fmt.Sprintf(format, args...)
	panic(ended{})
}

func (r *recorder) Skip(args ...any) {
	r.skip = fmt.Sprint(args...)
	panic(ended{})
}

func record(t *testing.T, f func(testing.TB)) *recorder {
	t.Helper()
	r := &recorder{TB: t}
	func() {
		defer func() {
			if p := recover(); p != nil && p != (ended{}) {
				panic(p)
			}
		}()
		f(r)
	}()
	return r
}

func TestNeed(t *testing.T) {
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "here"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	need := func(programs ...string) func(testing.TB) {
		return func(tb testing.TB) { Need(tb, programs...) }
	}

	t.Run("there", func(t *testing.T) {
		t.Setenv("CI", "true")
		if r := record(t, need("here")); r.fatal != "" || r.skip != "" {
			t.Errorf("failed with %q, skipped with %q", r.fatal, r.skip)
		}
	})
	t.Run("missing in CI", func(t *testing.T) {
		t.Setenv("CI", "true")
		r := record(t, need("here", "gone", "lost"))
		if r.skip != "" || !strings.Contains(r.fatal, "needs gone, lost in PATH") {
			t.Errorf("failed with %q, skipped with %q", r.fatal, r.skip)
		}
	})
	t.Run("missing elsewhere", func(t *testing.T) {
		t.Setenv("CI", "")
		list := filepath.Join(t.TempDir(), "skipped")
		t.Setenv("PXE_PILOT_SKIPPED", list)
		for range 2 {
			r := record(t, need("gone", "here"))
			if r.fatal != "" || !strings.Contains(r.skip, "needs gone in PATH") {
				t.Errorf("failed with %q, skipped with %q", r.fatal, r.skip)
			}
		}
		told, err := os.ReadFile(list)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(told), "TestOfSomething needs gone in PATH"); n != 2 {
			t.Errorf("the list tells of it %d times, want 2:\n%s", n, told)
		}
	})
}

func TestNeedRoot(t *testing.T) {
	t.Setenv("CI", "true")
	r := record(t, NeedRoot)
	if root := os.Geteuid() == 0; root != (r.fatal == "") || r.skip != "" {
		t.Errorf("failed with %q, skipped with %q, and root is %t", r.fatal, r.skip, root)
	}
}

func TestSoak(t *testing.T) {
	for value, want := range map[string]bool{"": false, "1": true} {
		t.Setenv("PXE_PILOT_SOAK", value)
		if Soak() != want {
			t.Errorf("with %q: %t, want %t", value, Soak(), want)
		}
	}
}
