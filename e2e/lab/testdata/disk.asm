; The first sector of a disk with nothing else on it: it says that it was booted.

bits 16
org 0x7c00

start:  xor ax, ax
        mov ds, ax
        cld
        mov si, marker
        call say
rest:   cli
        hlt
        jmp rest

%include "say.inc"

marker: db 13, 10, "[[BOOTED marker=disk]]", 13, 10, 0

        times 510 - ($ - $$) db 0
        dw 0xaa55
