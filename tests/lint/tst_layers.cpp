// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The dependency rule, read from the includes themselves: app -> widgets, kernels -> core. Needed as a test because
// Debian's include paths resolve <QtWidgets/...> even for targets that do not link it.
#include <QDir>
#include <QDirIterator>
#include <QRegularExpression>
#include <QTest>

namespace {

struct Source {
    QString path; ///< relative to the project
    QString text;
};

QList<Source> sourcesUnder(const QString& folder, const QStringList& patterns)
{
    QList<Source> sources;
    const QDir root(QL_SOURCE_DIR);
    QDirIterator it(root.filePath(folder), patterns, QDir::Files, QDirIterator::Subdirectories);
    while (it.hasNext()) {
        QFile file(it.next());
        if (file.open(QIODevice::ReadOnly))
            sources.append({root.relativeFilePath(file.fileName()), QString::fromUtf8(file.readAll())});
    }
    return sources;
}

QStringList includesOf(const Source& source)
{
    static const QRegularExpression include("^\\s*#\\s*include\\s*[<\"]([^>\"]+)[>\"]",
                                            QRegularExpression::MultilineOption);
    QStringList found;
    for (auto it = include.globalMatch(source.text); it.hasNext();)
        found << it.next().captured(1);
    return found;
}

} // namespace

class TestLayers : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void includesFollowTheDependencyRule_data()
    {
        QTest::addColumn<QString>("folder");
        QTest::addColumn<QString>("forbidden");
        const QString gui = "^(QtWidgets|QtGui|QtPrintSupport|QtSvg|qcustomplot\\.h|QWidget|QPainter|QApplication|QColor|"
                            "QFont|QIcon|QImage|QPixmap|QAction|QMenu|QDialog|Q[A-Z][a-z]+Edit|Q[A-Z][a-z]+Button)";
        QTest::newRow("core knows nobody") << "core" << "^(app|widgets|kernels|tests)/|" + gui;
        QTest::newRow("core/nothing of OpenCL") << "core" << "^CL/";
        QTest::newRow("kernels know only core") << "kernels" << "^(app|widgets|tests)/|" + gui;
        QTest::newRow("widgets know only core") << "widgets" << "^(app|kernels|tests)/|^CL/";
        QTest::newRow("item models are Qt Core only") << "widgets/models" << gui;
        QTest::newRow("panels never include the plot library") << "widgets/panels" << "^qcustomplot\\.h";
        QTest::newRow("app leaves plotting to widgets") << "app" << "^qcustomplot\\.h|^CL/|^tests/";
        QTest::newRow("the command line links no GUI") << "app/cli" << "^widgets/|" + gui;
    }
    void includesFollowTheDependencyRule()
    {
        QFETCH(QString, folder);
        QFETCH(QString, forbidden);
        const QRegularExpression rule(forbidden);
        QStringList offenders;
        const auto sources = sourcesUnder(folder, {"*.h", "*.cpp"});
        for (const Source& source : sources) {
            for (const QString& include : includesOf(source)) {
                if (rule.match(include).hasMatch())
                    offenders << source.path + " includes " + include;
            }
        }
        QVERIFY2(offenders.isEmpty(), qPrintable(offenders.join('\n')));
    }

    void qtStaysAPrivateDetailOfCore()
    {
        QStringList offenders;
        const auto sources = sourcesUnder("core", {"*.h", "*.cpp"});
        QVERIFY(!sources.isEmpty());
        for (const Source& source : sources) {
            const bool allowed = source.path.endsWith(".cpp") &&
                                 (source.path.startsWith("core/io/") || source.path.startsWith("core/policy/") ||
                                  source.path.startsWith("core/tokenizer/"));
            for (const QString& include : includesOf(source)) {
                if (!allowed && QRegularExpression("^Q[A-Z]|^Qt").match(include).hasMatch())
                    offenders << source.path + " includes " + include;
            }
        }
        QVERIFY2(offenders.isEmpty(), qPrintable(offenders.join('\n')));
    }

    void everySourceIsLicensedAndOfReadableSize()
    {
        QStringList offenders;
        for (const char* folder : {"app", "core", "kernels", "widgets", "tests"}) {
            for (const Source& source : sourcesUnder(folder, {"*.h", "*.cpp", "*.cl", "*.sh", "*.cmake", "CMakeLists.txt"})) {
                if (!source.text.left(300).contains("SPDX-License-Identifier: GPL-3.0-or-later"))
                    offenders << source.path + " has no licence line";
                const auto lines = source.text.count('\n');
                if (source.path.endsWith(".h") ? lines > 170 : lines > 500)
                    offenders << QString("%1 has %2 lines").arg(source.path).arg(lines);
                if (source.path.endsWith(".h") && !source.text.contains("#pragma once"))
                    offenders << source.path + " has no #pragma once";
            }
        }
        QVERIFY2(offenders.isEmpty(), qPrintable(offenders.join('\n')));
    }

    void patternsAreNeverStdRegex()
    {
        QStringList offenders;
        for (const char* folder : {"app", "core", "kernels", "widgets"}) {
            for (const Source& source : sourcesUnder(folder, {"*.h", "*.cpp"})) {
                if (includesOf(source).contains("regex") || source.text.contains("processEvents("))
                    offenders << source.path;
            }
        }
        QVERIFY2(offenders.isEmpty(), qPrintable(offenders.join('\n')));
    }
};

QTEST_GUILESS_MAIN(TestLayers)
#include "tst_layers.moc"
