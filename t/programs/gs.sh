# t/programs/gs.sh - pages drawn by Ghostscript.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/programs/common.sh"

need gs
plan 3

cat >"$in/pages.ps" <<END
%!PS
/pages $(amount 6) def
1 1 pages {
    /page exch def
    /Times-Roman findfont 14 scalefont setfont
    0 1 40 { /line exch def 40 line 18 mul 30 add moveto (page and line, some words to set ) show
        page line mul 20 string cvs show } for
    0 1 300 { /i exch def
        i 300 div 1 i 300 div sub 0.4 setrgbcolor
        newpath i 2 mul page 3 mul add i 2.5 mul i 10 mod 5 add 0 360 arc fill
        /d 50 dict def d i [ i i i ] put
    } for
    /a 20000 array def 0 1 19999 { dup a 3 1 roll 10 string cvs put } for
    showpage
} for
END

uses gs gs -q -dNODISPLAY -dBATCH -c 'quit'
same 'pages as pictures' gs -q -dSAFER -dBATCH -dNOPAUSE -sDEVICE=ppmraw -r60 -sOutputFile=p%d.ppm "$in/pages.ps"
same 'pages as PDF, which are pictures again' sh -c 'gs -q -dSAFER -dBATCH -dNOPAUSE -sDEVICE=pdfwrite -sOutputFile=x.pdf "$1" &&
    gs -q -dSAFER -dBATCH -dNOPAUSE -sDEVICE=pgmraw -r40 -sOutputFile=q%d.pgm x.pdf && rm x.pdf' sh "$in/pages.ps"
