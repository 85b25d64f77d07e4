// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Recipes in the window: the dialog that shows a policy in another dialect, and the one that makes such a text the policy.
#include "app/policyviews.h"
#include "app/recipedialog.h"
#include "app/recipeimport.h"
#include "support/patience.h"
#include "support/testmodels.h"
#include "support/windowdriver.h"
#include "widgets/panels/inlinebar.h"

#include <QApplication>
#include <QClipboard>
#include <QLabel>
#include <QListWidget>
#include <QPlainTextEdit>
#include <QPushButton>
#include <QTemporaryDir>
#include <QTest>
#include <QTimer>

using namespace ql;

class TestRecipeDialog : public QObject
{
    Q_OBJECT
    QTemporaryDir m_folder;

    QString write(const char* name, const QByteArray& text)
    {
        const QString path = m_folder.filePath(QString::fromLatin1(name));
        QFile file(path);
        return file.open(QIODevice::WriteOnly) && file.write(text) == text.size() ? path : QString();
    }

    static int rowOf(const char* id)
    {
        return int(dialectFromId(id) - dialects().data());
    }

    template <class T>
    static T* named(const QWidget& dialog, const char* name)
    {
        for (T* candidate : dialog.findChildren<T*>()) {
            if (candidate->accessibleName() == QLatin1String(name))
                return candidate;
        }
        return nullptr;
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
        auto* list = named<QListWidget>(dialog, "Dialect");
        auto* lost = named<QListWidget>(dialog, "What the recipe cannot say");
        auto* text = dialog.findChild<QPlainTextEdit*>();
        auto* bar = dialog.findChild<InlineBar*>();
        QCOMPARE(list->count(), int(dialects().size()));
        for (int i = 0; i < list->count(); ++i) {
            list->setCurrentRow(i);
            const Dialect& dialect = dialects()[size_t(i)];
            const auto written = dialect.write(policy, *test::runnableLlama());
            QCOMPARE(text->toPlainText().toStdString(), written.ok() ? written->text : std::string());
            QCOMPARE(lost->count(), written.ok() ? int(written->lost.size()) : 0);
            QCOMPARE(lost->isVisible(), lost->count() > 0);
            QCOMPARE(button(dialog, "Save as…")->isEnabled(), written.ok());
            QCOMPARE(bar->text().toStdString(), written.ok() ? std::string() : written.error().text());
            const QString mark = list->item(i)->toolTip();
            QVERIFY2(mark.startsWith(!written.ok() ? "Cannot" : written->lost.empty() ? "Says all" : "Loses"), qPrintable(mark));
        }
        list->setCurrentRow(rowOf("gptqmodel"));
        QVERIFY(lost->count() > 0);
        button(dialog, "Copy")->click();
        QCOMPARE(QApplication::clipboard()->text(), text->toPlainText());
        list->setCurrentRow(rowOf("bitsandbytes")); // has no int4
        QVERIFY(!button(dialog, "Copy")->isEnabled());
        QVERIFY(bar->text().contains("int4"));
    }

    void aRecipeSaysWhatItWouldChange()
    {
        RecipeImport dialog(test::runnableLlama(), {}, nullptr);
        dialog.show();
        QVERIFY(!button(dialog, "Import")->isEnabled() && !dialog.policy());
        auto* left = named<QListWidget>(dialog, "What is left out");
        QVERIFY(!left->isVisible());
        dialog.openFile(write("q.json", "{\"bits\": 3, \"group_size\": 16,\n\"colour\": 1, \"quant_method\": \"gptq\"}"));
        QVERIFY(button(dialog, "Import")->isEnabled());
        QCOMPARE(dialog.policy()->defaultScheme.text(), std::string("int3,range=full,group=16"));
        QCOMPARE(left->count(), 1);
        QVERIFY(left->isVisible() && left->item(0)->text().contains("colour"));
        QVERIFY(named<QLabel>(dialog, "What would change")->text().startsWith("14 of 21 tensors"));
        QCOMPARE(dialog.name(), QString("q.json"));
        // Every dialect's own text comes back.
        Policy policy;
        policy.defaultScheme = Scheme::parse("q4_0").value();
        const auto written = dialectFromId("llama.cpp")->write(policy, *test::runnableLlama());
        auto* text = dialog.findChild<QPlainTextEdit*>();
        text->setPlainText(QString::fromStdString(written->text));
        QVERIFY(!button(dialog, "Import")->isEnabled()); // until it has been read
        QL_TRY_VERIFY(button(dialog, "Import")->isEnabled());
        QVERIFY(!left->isVisible());
    }

    void importingIsOneStepThatCanBeUndone()
    {
        test::WindowDriver driver;
        QVERIFY(driver.open(QStringLiteral(QL_RESOURCES "/models/loupe-3m")));
        Session& session = *driver.window().session();
        const Policy before = session.policy();
        const QString path = write("q.json", "{\"bits\": 3, \"group_size\": 64, \"quant_method\": \"gptq\"}");
        QTimer::singleShot(0, &driver.window(), [&] {
            auto* dialog = qobject_cast<RecipeImport*>(QApplication::activeModalWidget());
            QVERIFY(dialog);
            dialog->openFile(path);
            button(*dialog, "Import")->click();
        });
        driver.trigger("importRecipe");
        QCOMPARE(session.policy().defaultScheme.text(), std::string("int3,range=full,group=64"));
        QCOMPARE(session.undoStack()->count(), 1);
        session.undoStack()->undo();
        QVERIFY(session.policy() == before);
    }

    void whatCannotBeReadIsNamedWithItsLine_data()
    {
        QTest::addColumn<QByteArray>("text");
        QTest::addColumn<QString>("part");
        QTest::addColumn<int>("line"); ///< that is marked, from 1; 0: none
        QTest::newRow("no recipe") << QByteArray("{\"a\": 1}") << "name its dialect" << 0;
        QTest::newRow("bad value") << QByteArray("{\"bits\": 4,\n\"quant_method\": \"gptq\", \"group_size\": 3}") << "line 2" << 2;
        QTest::newRow("broken pattern") << QByteArray("blk.(=q4_0") << "line 1" << 1;
        QTest::newRow("broken JSON") << QByteArray("{\n\"bits\": }") << "line 2" << 2;
    }
    void whatCannotBeReadIsNamedWithItsLine()
    {
        QFETCH(QByteArray, text);
        QFETCH(QString, part);
        QFETCH(int, line);
        RecipeImport dialog(test::runnableLlama(), {}, nullptr);
        dialog.show();
        auto* bar = dialog.findChild<InlineBar*>();
        dialog.openFile(write("bad.txt", text));
        QVERIFY2(bar->text().contains(part), qPrintable(bar->text()));
        QVERIFY(!button(dialog, "Import")->isEnabled() && !dialog.policy());
        const auto marks = dialog.findChild<QPlainTextEdit*>()->extraSelections();
        QCOMPARE(marks.isEmpty() ? 0 : marks.first().cursor.blockNumber() + 1, line);
        dialog.openFile(m_folder.filePath("nowhere"));
        QVERIFY(bar->text().contains("nowhere"));
    }
};

QTEST_MAIN(TestRecipeDialog)
#include "tst_recipedialog.moc"
