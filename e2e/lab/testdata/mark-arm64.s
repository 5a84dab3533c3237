// The smallest thing that U-Boot takes for a Linux kernel of arm64 (the kernel's
// Documentation/arch/arm64/booting.rst). Like mark.asm it writes its command line,
// which must begin with "marker=", to the serial line, and then rests.

        b       start                   // code0
        .word   0                       // code1
        .quad   0                       // text_offset
        .quad   0x1000                  // image_size
        .quad   8, 0, 0, 0              // flags: it may be anywhere; and reserved
        .ascii  "ARM\x64"               // magic
        .word   0

start:  adr     x1, before              // x0 is the address of the device tree
        bl      say
        mov     x1, x0
        ldr     w3, =0x6b72616d         // "mark"; what the tree holds is aligned to 4 bytes
look:   ldr     w2, [x1], #4
        cmp     w2, w3
        b.ne    look
        sub     x1, x1, #4
        bl      say
        adr     x1, after
        bl      say
rest:   wfi
        b       rest

// say writes the text at x1, up to its zero, to the PL011 of QEMU's "virt".
say:    ldr     x4, =0x09000000
next:   ldrb    w2, [x1], #1
        cbz     w2, done
busy:   ldr     w5, [x4, #0x18]         // the flags; bit 5: it takes no more
        tbnz    w5, #5, busy
        strb    w2, [x4]
        b       next
done:   ret

        .ltorg
before: .asciz  "\r\n[[BOOTED "
after:  .asciz  "]]\r\n"
