package tftproot

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot"
)

func (s *site) contents(t *testing.T) map[[2]string]string {
	t.Helper()
	found, err := s.Contents(t.Context(), s.view().Configurations)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// differing lists what has another digest than before.
func differing(before, now map[[2]string]string) []string {
	var list []string
	for of, sum := range now {
		if before[of] != sum {
			list = append(list, of[0]+" of "+of[1])
		}
	}
	for of := range before {
		if now[of] == "" {
			list = append(list, "no "+of[0]+" of "+of[1])
		}
	}
	slices.Sort(list)
	return list
}

func TestContents(t *testing.T) {
	s := newSite(t, Options{Bootloaders: []pxepilot.Bootloader{{Name: "pxelinux"}, {Name: "pi", Kind: pxepilot.Directory, Links: []string{"{mac}"}}}}, []string{"a", "b"}, "h1 "+mac1)
	file := func(name string) string { return filepath.Join(s.loaders[0].directory, name) }
	pi := func(name string) string { return filepath.Join(s.loaders[1].directory, name) }
	large := strings.Repeat("x", MaxContent)
	before := s.contents(t)
	if len(before) != 4 {
		t.Fatalf("%v", before)
	}
	for _, tt := range []struct {
		name string
		does func() error
		want []string
	}{
		{"nothing", func() error { return nil }, nil},
		{"a file", func() error { return os.WriteFile(file("a"), []byte("LABEL new\n"), 0o600) }, []string{"a of pxelinux"}},
		{"as long as before", func() error { return os.WriteFile(file("a"), []byte("LABEL old\n"), 0o600) }, []string{"a of pxelinux"}},
		{"the same again", func() error { return os.WriteFile(file("a"), []byte("LABEL old\n"), 0o600) }, nil},
		{"a link to another", func() error { _ = os.Remove(file("b")); return os.Symlink("a", file("b")) }, []string{"b of pxelinux"}},
		{"what a link leads to", func() error { return os.WriteFile(file("a"), []byte("LABEL a\n"), 0o600) }, []string{"a of pxelinux", "b of pxelinux"}},
		{"a large one", func() error { return os.WriteFile(file("a"), []byte(large+"1"), 0o600) }, []string{"a of pxelinux", "b of pxelinux"}},
		{"that grows", func() error { return os.WriteFile(file("a"), []byte(large+"12"), 0o600) }, []string{"a of pxelinux", "b of pxelinux"}},
		{"one that goes", func() error { return os.Remove(file("b")) }, []string{"no b of pxelinux"}},
		{"in a directory", func() error { return os.WriteFile(pi("a/cmdline.txt"), []byte("quiet"), 0o600) }, []string{"a of pi"}},
		{"below it", func() error { return os.MkdirAll(pi("a/overlays/x"), 0o700) }, []string{"a of pi"}},
		{"and deeper", func() error { return os.WriteFile(pi("a/overlays/x/y"), nil, 0o600) }, []string{"a of pi"}},
	} {
		if err := tt.does(); err != nil {
			t.Fatal(err)
		}
		now := s.contents(t)
		if diff := cmp.Diff(tt.want, differing(before, now)); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
		before = now
	}
}

// TestContentsAreReadOnce: a file whose stamp has settled is not read again.
func TestContentsAreReadOnce(t *testing.T) {
	s := newSite(t, Options{}, []string{"a"}, "h1 "+mac1)
	s.settled()
	before := s.contents(t)
	of := variantName{0, "a"}
	kept := s.digests[of]
	if !kept.settled || kept.sum != before[[2]string{"a", "pxelinux"}] {
		t.Fatalf("%+v", kept)
	}
	kept.sum = "kept"
	s.digests[of] = kept
	if got := s.contents(t)[[2]string{"a", "pxelinux"}]; got != "kept" {
		t.Errorf("it was read again")
	}
	if err := os.WriteFile(filepath.Join(s.loaders[0].directory, "a"), []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := s.contents(t)[[2]string{"a", "pxelinux"}]; got == "kept" {
		t.Errorf("it was not read again")
	}
	if err := os.RemoveAll(s.path); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Contents(t.Context(), nil); pxepilot.ErrorCode(err) != pxepilot.Unavailable {
		t.Error(err)
	}
}
