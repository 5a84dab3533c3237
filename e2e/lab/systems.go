package lab

import (
	_ "embed" // the sources of what machines boot
	"os/exec"
	"path/filepath"
	"testing"
)

// What machines of the lab boot, in assembly.
var (
	//go:embed testdata/mark.asm
	markSource string
	//go:embed testdata/disk.asm
	diskSource string
	//go:embed testdata/say.inc
	saySource string
)

// putSystems puts what machines boot into the TFTP root: "mark", the kernel that
// says how it was called, and "disk", the first sector of a disk that says
// "marker=disk", for installers.
func (s *BootSite) putSystems(t testing.TB) {
	t.Helper()
	assemble(t, markSource, filepath.Join(s.Root, "mark"))
	assemble(t, diskSource, filepath.Join(s.Root, "disk"))
}

// Install makes the disk of the machine one that boots.
func (m *Machine) Install(t testing.TB) {
	t.Helper()
	sector := Read(t, filepath.Join(m.site.Root, "disk"))
	Write(t, m.Disk, sector+string(make([]byte, 1<<20-len(sector))))
}

// assemble makes a program from its source.
func assemble(t testing.TB, source, program string) {
	t.Helper()
	dir := Dir(t)
	Write(t, filepath.Join(dir, "say.inc"), saySource)
	Write(t, filepath.Join(dir, "source.asm"), source)
	cmd := exec.CommandContext(t.Context(), "nasm", "-f", "bin", "-o", program, "source.asm")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("nasm: %v\n%s", err, out)
	}
}
