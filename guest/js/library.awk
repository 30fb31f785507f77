# Puts the files of the JavaScript library into one C header:  awk -f library.awk FILE… > library.h
#
# Each file is the body of a function (sys, internal), evaluated in the order given when the image is made. It gets
# the name node:DIR/FILE in stack traces, where frames of such names are left out.
function begin(file,    name) {
    name = file
    sub(/^.*\/lib\//, "", name)
    sub(/^node\//, "", name)
    sub(/\.js$/, "", name)
    printf "    {\"node:%s\",\n     \"(function (sys, internal) { 'use strict';\"\n", name
}
function end() {
    print "     \"\\n})\"},"
}
BEGIN {
    print "/* Made from guest/js/lib by library.awk. */"
    print "static const struct {\n    const char *name;\n    const char *text;\n} library[] = {"
}
FNR == 1 {
    if (NR > 1)
        end()
    begin(FILENAME)
}
{
    gsub(/\\/, "&&")
    gsub(/"/, "\\\\&")
    gsub(/\?/, "\\\\&") # no trigraphs
    printf "     \"%s\\n\"\n", $0
}
END {
    end()
    print "};"
}
