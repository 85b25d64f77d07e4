// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// WindowDriver: the whole window on the bundled model, with its own settings and journal, as tests and the screenshot
// program drive it.
#pragma once

#include "app/mainwindow.h"
#include "support/patience.h"
#include "widgets/panels/layerspanel.h"
#include "widgets/panels/weightspage.h"

#include <QTabWidget>
#include <QTemporaryDir>
#include <QTest>

namespace ql::test {

class WindowDriver
{
public:
    /// `program`: run again with --probe-opencl to find devices; by default there are none, so tests do not depend on
    /// the machine's.
    explicit WindowDriver(QSize size = {1280, 800}, const QString& program = QStringLiteral("/bin/false"))
        : m_window(std::make_shared<Backends>(program.toStdString(), ""),
                   std::make_unique<Settings>(m_folder.filePath("settings.ini")), m_folder.filePath("journal"))
    {
        m_window.resize(size);
        m_window.show();
    }

    MainWindow& window() { return m_window; }
    const QTemporaryDir& folder() const { return m_folder; }

    /// Nothing queued, nothing running, for a moment.
    bool settle(int timeoutMs = kPatienceMs)
    {
        return QTest::qWaitFor([this] {
            if (m_window.jobs()->pending() > 0)
                return false;
            QTest::qWait(60);
            return m_window.jobs()->pending() == 0;
        }, timeoutMs);
    }

    bool open(const QString& path)
    {
        m_window.openPath(path);
        return QTest::qWaitFor([this] { return m_window.session()->model() != nullptr; }, kPatienceMs) && settle();
    }

    bool select(const char* tensor)
    {
        const int index = m_window.session()->model()->indexOf(tensor);
        if (index < 0)
            return false;
        m_window.layersPanel()->selectTensor(index);
        return settle();
    }

    void trigger(const char* action) { (*m_window.actionTable())[action]->trigger(); }

    const Decision& decision(const char* tensor)
    {
        return m_window.session()->decisions()[size_t(m_window.session()->model()->indexOf(tensor))];
    }

private:
    QTemporaryDir m_folder;
    MainWindow m_window;
};

} // namespace ql::test
