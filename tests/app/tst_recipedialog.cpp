// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Recipes in the window: the dialog that shows a policy in another dialect, and opening such a file as the policy.
#include "app/recipedialog.h"
#include "support/patience.h"
#include "support/testmodels.h"
#include "widgets/panels/inlinebar.h"

#include <QApplication>
#include <QClipboard>
#include <QComboBox>
#include <QLabel>
#include <QListWidget>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>

using namespace ql;

class TestRecipeDialog : public QObject
{
    Q_OBJECT
    QTemporaryDir m_folder;
    JobRunner m_jobs;

    QString write(const char* name, const QByteArray& text)
    {
        const QString path = m_folder.filePath(QString::fromLatin1(name));
        QFile file(path);
        return file.open(QIODevice::WriteOnly) && file.write(text) == text.size() ? path : QString();
    }

    static QPushButton* button(const QWidget& dialog, const char* text)
    {
        for (QPushButton* candidate : dialog.findChildren<QPushButton*>()) {
            if (candidate->text().remove('&') == QString::fromUtf8(text))
                return candidate;
        }
        return nullptr;
    }

private Q_SLOTS:
    void everyDialectShowsItsTextAndWhatIsLost()
    {
        Policy policy;
        policy.defaultScheme = Scheme::parse("int4,group=32,clip=mse").value();
        RecipeDialog dialog(test::runnableLlama(), policy, nullptr);
        dialog.show();
        auto* dialects_ = dialog.findChild<QComboBox*>();
        auto* text = dialog.findChild<QPlainTextEdit*>();
        auto* lost = dialog.findChild<QListWidget*>();
        QCOMPARE(dialects_->count(), int(dialects().size()));
        for (int i = 0; i < dialects_->count(); ++i) {
            dialects_->setCurrentIndex(i);
            const Dialect& dialect = dialects()[size_t(i)];
            const auto written = dialect.write(policy, *test::runnableLlama());
            QCOMPARE(text->toPlainText().toStdString(), written.ok() ? written->text : std::string());
            QCOMPARE(lost->count(), written.ok() ? int(written->lost.size()) : 0);
            QCOMPARE(lost->isVisible(), lost->count() > 0);
            QCOMPARE(button(dialog, "Save as…")->isEnabled(), written.ok());
        }
        dialects_->setCurrentIndex(dialects_->findData("gptqmodel"));
        QVERIFY(lost->count() > 0);
        button(dialog, "Copy")->click();
        QCOMPARE(QApplication::clipboard()->text(), text->toPlainText());
        dialects_->setCurrentIndex(dialects_->findData("bitsandbytes")); // has no int4
        QVERIFY(!button(dialog, "Copy")->isEnabled());
        QVERIFY(text->placeholderText().contains("int4"));
    }

    void importingIsOneStepThatCanBeUndone()
    {
        Session session(&m_jobs);
        QSignalSpy opened(&session, &Session::modelChanged);
        session.openModel(QStringLiteral(QL_RESOURCES "/models/loupe-3m"));
        QVERIFY(opened.wait(test::kPatienceMs));
        const Policy before = session.policy();
        InlineBar bar;
        QVERIFY(importRecipe(session, bar, write("q.json", "{\"bits\": 3, \"group_size\": 64,\n\"colour\": 1, \"quant_method\": \"gptq\"}")));
        QCOMPARE(session.policy().defaultScheme.text(), std::string("int3,range=full,group=64"));
        QVERIFY(bar.text().contains("colour"));
        QCOMPARE(session.undoStack()->count(), 1);
        session.undoStack()->undo();
        QVERIFY(session.policy() == before);
    }

    void whatCannotBeReadChangesNothing_data()
    {
        QTest::addColumn<QByteArray>("text");
        QTest::addColumn<QString>("part");
        QTest::newRow("no recipe") << QByteArray("{\"a\": 1}") << "name its dialect";
        QTest::newRow("bad value") << QByteArray("{\"bits\": 4,\n\"quant_method\": \"gptq\", \"group_size\": 3}") << "line 2";
        QTest::newRow("broken pattern") << QByteArray("blk.(=q4_0") << "line 1";
    }
    void whatCannotBeReadChangesNothing()
    {
        QFETCH(QByteArray, text);
        QFETCH(QString, part);
        Session session(&m_jobs);
        const Policy before = session.policy();
        InlineBar bar;
        QVERIFY(!importRecipe(session, bar, write("bad.txt", text)));
        QVERIFY2(bar.text().contains(part), qPrintable(bar.text()));
        QVERIFY(session.policy() == before);
        QVERIFY(!importRecipe(session, bar, m_folder.filePath("nowhere")));
        QVERIFY(bar.text().contains("nowhere"));
    }
};

QTEST_MAIN(TestRecipeDialog)
#include "tst_recipedialog.moc"
