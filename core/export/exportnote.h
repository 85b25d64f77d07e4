// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// ExportNote: says, as long as an export runs, where it writes, so that the next start of a program finds what a killed
// one left there. A file in a folder of notes, locked by its writer; its lock ends with the process. One thread.
#pragma once

#include "core/export/exporter.h"

#include <string>

namespace ql {

class ExportNote
{
public:
    /// Without a place for notes (not writable, empty name) the export is only not remembered.
    ExportNote(const std::string& notesFolder, const std::string& target, const ExportOptions& options);
    ExportNote(const ExportNote&) = delete;
    ExportNote& operator=(const ExportNote&) = delete;
    ~ExportNote(); ///< the export has ended, so the note goes

private:
    std::string m_path;
    int m_descriptor = -1;
};

/// Where an export puts its temporaries, and what their names contain where others write into the same folder.
struct ExportPlace {
    std::string folder, names;
    bool shared = false; ///< with other processes of the same export
};
ExportPlace exportPlace(const std::string& target, const ExportOptions& options);

/// Removes what killed exports of this machine left where their notes say, and those notes; nothing of exports that
/// still run, here or elsewhere. Gives the number of files and folders removed.
int sweepKilledExports(const std::string& notesFolder);

} // namespace ql
